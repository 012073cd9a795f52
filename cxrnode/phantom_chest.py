"""A frontal chest radiograph, drawn from nothing but shapes and noise: no patient was ever in it.

Each structure is a layer of the attenuation that a detector would see, in display units (0 air, 1 densest),
and the layers add up as the logarithm of the rays does. The picture is seen as radiologists see it: the
patient's right side is on the left of the picture, the heart and the stomach bubble on the right.
"""

import cmath
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cxrnode.phantom_canvas import Layer, Pairs, Plane, Points, axes, band, chord, clouds, curve, ellipse, soften

_RIGHT_LUNG: Pairs = (
    (0.345, 0.088), (0.395, 0.105), (0.432, 0.155), (0.442, 0.24), (0.434, 0.32), (0.428, 0.40), (0.412, 0.50),
    (0.400, 0.60), (0.408, 0.69), (0.418, 0.735), (0.418, 0.735), (0.36, 0.712), (0.285, 0.704), (0.205, 0.742),
    (0.132, 0.835), (0.132, 0.835), (0.130, 0.76), (0.135, 0.62), (0.155, 0.45), (0.19, 0.30), (0.235, 0.18),
    (0.285, 0.112),
)  # fmt: skip
_LEFT_LUNG: Pairs = (
    (0.655, 0.088), (0.605, 0.105), (0.565, 0.155), (0.550, 0.215), (0.573, 0.262), (0.582, 0.305), (0.566, 0.350),
    (0.577, 0.395), (0.598, 0.455), (0.636, 0.54), (0.676, 0.635), (0.697, 0.70), (0.693, 0.757), (0.693, 0.757),
    (0.74, 0.742), (0.79, 0.757), (0.83, 0.795), (0.868, 0.86), (0.868, 0.86), (0.871, 0.78), (0.867, 0.62),
    (0.845, 0.45), (0.81, 0.30), (0.765, 0.18), (0.715, 0.112),
)  # fmt: skip
_CAGE = np.array([(0.06, 0.10), (0.10, 0.17), (0.14, 0.232), (0.18, 0.272), (0.30, 0.318), (0.45, 0.353),
                  (0.62, 0.373), (0.76, 0.379), (0.90, 0.375), (1.10, 0.36)])  # fmt: skip
"""Half the width of the rib cage at a height: (y, half width)."""

_BLADE: Pairs = (
    (0.335, 0.118), (0.30, 0.135), (0.318, 0.24), (0.352, 0.36), (0.378, 0.425), (0.392, 0.415), (0.402, 0.33),
    (0.415, 0.235), (0.43, 0.20), (0.435, 0.15), (0.40, 0.13), (0.335, 0.118),
)  # fmt: skip
"""A left shoulder blade, x from the midline."""


@dataclass(frozen=True, slots=True)
class Opacity:
    """A patchy consolidation: its centre and half axes in fractions of the picture, and how dense it is (about 1)."""

    x: float
    y: float
    width: float
    height: float
    density: float = 0.8

    def box(self, rows: int, columns: int) -> tuple[float, float, float, float]:
        """Return ``(x0, y0, x1, y1)`` in pixels of a picture of that size: where the drawn patch is seen."""
        return (
            (self.x - self.width) * columns,
            (self.y - self.height) * rows,
            (self.x + self.width) * columns,
            (self.y + self.height) * rows,
        )


@dataclass(frozen=True, slots=True)
class Build:
    """How one phantom differs from the next; all lengths are fractions of the picture."""

    portable: bool
    heart: float
    right_dome: float
    left_dome: float
    width: float
    shift: float
    breast: float
    contrast: float

    @classmethod
    def from_seed(cls, rng: np.random.Generator, *, portable: bool) -> "Build":
        """Draw a body; a portable film shows a larger heart, a higher diaphragm and less contrast."""
        return cls(
            portable=portable,
            heart=float(rng.uniform(0.9, 1.12)) + 0.18 * portable,
            right_dome=float(rng.uniform(-0.025, 0.02)) - 0.05 * portable,
            left_dome=float(rng.uniform(-0.02, 0.02)) - 0.04 * portable,
            width=float(rng.uniform(0.94, 1.02)),
            shift=float(rng.uniform(-0.012, 0.012)),
            breast=float(rng.choice([0.0, 0.0, 0.07, 0.1])),
            contrast=float(rng.uniform(0.95, 1.03)) - 0.12 * portable,
        )

    def place(self, points: Pairs | Points) -> Points:
        """Fit the standard anatomy to this body."""
        placed = np.array(points, dtype=np.float64)
        x, y = placed[:, 0].copy(), placed[:, 1].copy()
        lower = np.clip((y - 0.45) / 0.3, 0, 1)
        placed[:, 1] += lower * np.where(x < 0.5, self.right_dome, self.left_dome)
        # The heart lies within a fifth of the width of the midline, below the hila.
        cardiac = np.exp(-(((x - 0.57) / 0.16) ** 2)) * np.exp(-(((y - 0.62) / 0.17) ** 2))
        placed[:, 0] = 0.5 + (x - 0.5) * self.width * (1 + (self.heart - 1) * cardiac) + self.shift
        return placed


def choose_opacities(seed: int) -> tuple[Opacity, ...]:
    """Return one or two consolidations in plausible places, the same for the same seed."""
    rng = np.random.default_rng([seed, 7])
    places = [(0.275, 0.58), (0.295, 0.40), (0.765, 0.61), (0.725, 0.42)]
    order = rng.permutation(len(places))[: int(rng.choice([1, 1, 2]))]
    return tuple(
        Opacity(
            x=places[i][0] + float(rng.uniform(-0.015, 0.015)),
            y=places[i][1] + float(rng.uniform(-0.02, 0.02)),
            width=float(rng.uniform(0.085, 0.105)),
            height=float(rng.uniform(0.10, 0.135)),
            density=float(rng.uniform(0.8, 1.0)),
        )
        for i in order
    )


def draw_chest(seed: int, opacities: Sequence[Opacity], *, portable: bool) -> Plane:
    """Return a frontal chest as a ``(GRID, GRID)`` plane in display units, bone bright, without noise."""
    rng = np.random.default_rng([seed, 1])
    build = Build.from_seed(rng, portable=portable)
    lungs = [curve(build.place(side), closed=True) for side in (_RIGHT_LUNG, _LEFT_LUNG)]
    mask = Layer().fill(lungs).plane(2.8)
    depth = chord(mask, 46)
    picture = _soft_tissue(build, mask)
    picture -= 0.57 * build.contrast * (0.28 * mask + 0.72 * depth) * _aeration(rng)
    picture += _retrocardiac(build, mask)
    picture += _airways(build) + _gas(build, rng, mask)
    picture += mask * (_vessels(build, rng) + 0.006 * clouds(rng, 190) + 0.002 * clouds(rng, 60))
    picture += _spine(build) + _ribs(build, rng, mask) + _clavicles(build) + _scapulae(build)
    for number, opacity in enumerate(opacities):
        picture += _consolidation(np.random.default_rng([seed, 9, number]), opacity, depth)
    return picture


def _aeration(rng: np.random.Generator) -> Plane:
    """Return how much the lungs darken from apex to base, never quite evenly."""
    _, y = axes()
    apex, base = np.clip((0.35 - y) / 0.3, 0, 1), np.clip((y - 0.5) / 0.35, 0, 1)
    air: Plane = 1 - 0.10 * apex - 0.14 * base + 0.02 * clouds(rng, 7)
    return air


def _soft_tissue(build: Build, lungs: Plane) -> Plane:
    """Return the body without air or bone: neck, shoulders, trunk, breasts, and the table of air around."""
    half = [(0.632, -0.05), (0.637, 0.012), (0.68, 0.038), (0.80, 0.062), (0.93, 0.078), (1.08, 0.115), (1.08, 0.60),
            (1.03, 0.585), (0.985, 0.63), (0.965, 0.80), (0.975, 1.2)]  # fmt: skip
    right = np.array(half)
    right[:5, 1] -= 0.035 * build.portable
    left = np.stack([1 - right[:, 0], right[:, 1]], axis=1)[::-1]
    body = Layer().fill([build.place(np.concatenate([curve(right), curve(left)]))]).plane(1.6)
    x, y = axes()
    level = np.interp(y[:, 0], [0, 0.1, 0.2, 0.4, 0.7, 0.85, 1], [0.52, 0.60, 0.66, 0.74, 0.83, 0.9, 0.93])
    middle = np.exp(-(((x - 0.5 - build.shift) / 0.13) ** 2)) * np.clip(0.4 + y, 0, 1)
    sides = np.clip((np.abs(x - 0.5) - 0.36) / 0.14, 0, 1)
    tissue = level.astype(np.float32)[:, None] * (0.30 + 0.70 * chord(body, 60)) * (1 - 0.20 * sides)
    tissue += 0.085 * middle * (1 - lungs)
    if build.breast:
        breasts = [build.place(ellipse(0.5 + s * 0.235, 0.655, 0.135, 0.155, -s * 0.3)) for s in (-1, 1)]
        tissue += build.breast * chord(Layer().fill(breasts).plane(5), 40)
    trunk: Plane = 0.025 + body * tissue
    return trunk


def _retrocardiac(build: Build, lungs: Plane) -> Plane:
    """Return the lung behind the heart and below the domes, which thins what lies in front of it."""
    heart = Layer().fill([build.place(ellipse(0.565, 0.60, 0.12, 0.17, -0.45))]).plane(14)
    gutters = [build.place(ellipse(0.27, 0.79, 0.14, 0.09)), build.place(ellipse(0.76, 0.82, 0.12, 0.08))]
    below = Layer().fill(gutters).plane(16)
    return -(1 - lungs) * (0.075 * heart + 0.035 * below)


def _airways(build: Build) -> Plane:
    """Return the trachea and the main bronchi: air inside the mediastinum."""
    trachea = curve([(0.502, -0.02), (0.499, 0.10), (0.494, 0.22), (0.492, 0.315)])
    right = curve([(0.492, 0.305), (0.468, 0.35), (0.44, 0.385)])
    left = curve([(0.494, 0.305), (0.53, 0.36), (0.572, 0.395)])
    layer = Layer().fill([build.place(band(trachea, 0.0185))])
    layer.fill([build.place(band(right, 0.0125)), build.place(band(left, 0.0105))], 0.62)
    return -0.15 * layer.plane(3.2)


def _gas(build: Build, rng: np.random.Generator, lungs: Plane) -> Plane:
    """Return the stomach bubble under the left dome, with its fluid level when upright, and a little gas below."""
    _, y = axes()
    level = 0.868 + build.left_dome
    bubble = Layer().fill([build.place(ellipse(0.705, 0.845, 0.062, 0.045, 0.15))]).plane(2.5)
    if not build.portable:
        bubble = bubble * np.clip((level - y) * 260, 0, 1)
    bowel = [ellipse(0.79 + rng.uniform(-0.02, 0.02), 0.93, 0.035, 0.02, 0.5), ellipse(0.70, 0.975, 0.04, 0.018)]
    return -(1 - lungs) * (0.19 * bubble + 0.06 * Layer().fill(build.place(b) for b in bowel).plane(7))


def _branches(
    chance: Iterator[float], start: complex, heading: float, width: float
) -> list[tuple[list[complex], float]]:
    """Return a vessel and all that branches off it, as (path, width), each segment thinner than the last.

    Places are complex numbers (x + iy) and ``chance`` yields uniform numbers: thousands of short segments, so
    plain numbers are several times faster here than small arrays.
    """
    vessels = []
    here = start
    while width > 0.0008:
        path = [here]
        for _ in range(4):
            heading += 0.35 * (next(chance) - 0.5)
            here += cmath.rect(0.011, heading)
            path.append(here)
        vessels.append((path, width))
        side = 1 if next(chance) < 0.5 else -1
        if width > 0.0015:
            turned = heading + side * (0.45 + 0.5 * next(chance))
            vessels += _branches(chance, here, turned, width * (0.5 + 0.2 * next(chance)))
        heading -= side * (0.02 + 0.18 * next(chance))
        width *= 0.76 + 0.13 * next(chance)
    return vessels


def _vessels(build: Build, rng: np.random.Generator) -> Plane:
    """Return the hila and the vessels that branch from them, thinner outwards."""
    layers, hila = (Layer(), Layer()), Layer()
    chance = itertools.cycle(rng.random(65536).tolist())
    for (x, y), headings in (
        ((0.421, 0.425), (-2.0, -2.4, -2.8, 3.05, 2.7, 2.35, 2.0)),
        ((0.588, 0.400), (-1.1, -0.7, -0.3, 0.08, 0.45, 0.8, 1.1)),
    ):
        for number, heading in enumerate(headings * 2):
            begin = complex(x + rng.normal(0, 0.007), y + rng.normal(0, 0.016))
            vessels = _branches(chance, begin, heading + rng.normal(0, 0.16), rng.uniform(0.0062, 0.0105))
            vessels.sort(key=lambda vessel: vessel[1])
            places = build.place([(point.real, point.imag) for path, _ in vessels for point in path])
            for (_, width), path in zip(vessels, places.reshape(len(vessels), -1, 2), strict=True):
                layers[number % 2].stroke(path, width, min(max(width * 110, 0.19), 0.85))
        hila.fill([build.place(ellipse(x, y + 0.012, 0.034, 0.062))], 0.6)
        hila.fill([build.place(ellipse(x * 0.98 + 0.01, y - 0.005, 0.022, 0.03))], 1.0)
    lungs: Plane = 0.08 * layers[0].plane(1.5) + 0.075 * layers[1].plane(2.2) + 0.11 * hila.plane(11)
    return lungs


def _spine(build: Build) -> Plane:
    """Return the vertebrae: bodies with end-plates, pedicles and spinous processes, seen through the middle."""
    bodies, plates = Layer(), Layer()
    tops = np.cumsum([-0.02] + [0.046 + 0.0021 * i for i in range(19)])
    for number, (top, bottom) in enumerate(itertools.pairwise(tops.tolist())):
        half = 0.026 + 0.0011 * number
        waist = 0.9 * half
        low = bottom - 0.007
        side = [(half, top), (waist, (top + low) / 2), (half, low)]
        outline = np.array([(0.5 + x, y) for x, y in side] + [(0.5 - x, y) for x, y in side[::-1]])
        bodies.fill([build.place(outline)], 0.6)
        for y in (top, low):
            plates.stroke(build.place([(0.5 - half, y), (0.5 + half, y)]), 0.003)
        for s in (-1, 1):
            pedicle = ellipse(0.5 + s * half * 0.62, top + 0.35 * (low - top), 0.006, 0.009)
            plates.stroke(build.place(np.concatenate([pedicle, pedicle[:1]])), 0.0025, 0.9)
            process = curve([(0.5 + s * half, top + 0.012), (0.5 + s * (half + 0.024), top + 0.004)])
            bodies.fill([build.place(band(process, 0.007))], 0.5)
        plates.fill([build.place(ellipse(0.5, low + 0.004, 0.0055, 0.012))], 0.7)
    return 0.075 * bodies.plane(2.5) + 0.05 * plates.plane(1.5)


def _rib(number: int, side: int, rng: np.random.Generator) -> tuple[Points, Points]:
    """Return the centre lines of a rib's posterior and anterior part.

    A rib is half a tilted loop: from the spine at the back (angle 0) round the flank (90 degrees) to its
    cartilage in front, which lies lower. Seen from the front the posterior part runs almost level and the
    anterior part steeply down towards the middle.
    """
    top = 0.088 + 0.0635 * number + rng.normal(0, 0.0015)
    drop = 0.115 + 0.0245 * number
    reach = np.interp(top + drop / 2, _CAGE[:, 0], _CAGE[:, 1]) - 0.028
    last = np.radians(158 - 5.5 * number)

    def part(begin: float, end: float) -> Points:
        angle = np.linspace(begin, end, 34)
        lift = 0.014 * np.sin(np.clip(2 * angle, 0, np.pi)) + 0.018 * np.sin(angle) ** 8
        x = 0.5 + side * (0.028 + reach * np.sin(angle))
        return np.stack([x, top + drop * (1 - np.cos(angle)) / 2 - lift], axis=1)

    return part(0.0, 1.62), part(1.52, float(last))


def _ribs(build: Build, rng: np.random.Generator, lungs: Plane) -> Plane:
    """Return ten pairs of ribs: the shaft, its brighter cortex, and the front parts fading into cartilage."""
    back, front, cortex = Layer(), Layer(), Layer()
    for number in range(10):
        for side in (-1, 1):
            posterior, anterior = _rib(number, side, rng)
            wide = np.interp(np.linspace(0, 1, 34), [0, 0.12, 0.6, 1], [0.008, 0.0115, 0.0135, 0.0115])
            shaft = build.place(band(posterior, wide))
            back.fill([shaft], 0.8)
            cortex.stroke(shaft[:34], 0.0030, 0.55).stroke(shaft[34:], 0.0026, 0.42)
            if number < 9:
                fading = band(anterior, np.interp(np.linspace(0, 1, 34), [0, 0.3, 1], [0.0105, 0.013, 0.016]))
                blade = build.place(fading)
                front.fill([blade], 0.75)
                cortex.stroke(blade[:26], 0.0028, 0.38).stroke(blade[-26:], 0.0026, 0.38)
    seen = 0.16 + 0.84 * soften(lungs, 10)
    x, _ = axes()
    # The cartilage in front of the sternum is not calcified: the anterior parts fade towards the middle.
    fade: Plane = np.clip((np.abs(x - 0.5 - build.shift) - 0.10) / 0.10, 0, 1)
    return seen * (
        0.095 * back.plane(1.8) + 0.075 * front.plane(3.0) * fade + 0.06 * cortex.plane(1.2) * (0.3 + 0.7 * fade)
    )


def _clavicles(build: Build) -> Plane:
    """Return both collar bones; on a portable film they stand higher and flatter."""
    shafts, cortex = Layer(), Layer()
    lift = -0.03 if build.portable else 0.0
    for side in (-1, 1):
        path = [(0.040, 0.178), (0.085, 0.158), (0.15, 0.134), (0.22, 0.106), (0.29, 0.095), (0.372, 0.104)]
        centre = curve([(0.5 + side * x, y + lift * x / 0.2) for x, y in path])
        wide = np.interp(
            np.linspace(0, 1, len(centre)),
            [0, 0.03, 0.08, 0.2, 0.55, 0.9, 0.97, 1],
            [0.006, 0.016, 0.0185, 0.0145, 0.0115, 0.0125, 0.010, 0.004],
        )
        outline = build.place(band(centre, wide))
        shafts.fill([outline], 0.8)
        cortex.stroke(outline, 0.0032, 0.8)
    return 0.10 * shafts.plane(1.8) + 0.065 * cortex.plane(1.2)


def _scapulae(build: Build) -> Plane:
    """Return the shoulder blades with spine, and the heads of the upper arms; rolled clear of the lungs on PA."""
    blades, rims = Layer(), Layer()
    over = 0.035 if build.portable else 0.0
    for side in (-1, 1):

        def at(points: Pairs, side: int = side) -> Points:
            return build.place(curve([(0.5 + side * (x - over), y) for x, y in points]))

        outline = at(_BLADE)
        blades.fill([outline], 0.6)
        rims.stroke(outline, 0.0035, 0.6)
        rims.stroke(at([(0.402, 0.33), (0.412, 0.25), (0.432, 0.205)]), 0.007, 0.9)
        crest = at([(0.31, 0.175), (0.37, 0.145), (0.43, 0.105), (0.462, 0.098)])
        blades.fill([band(crest, 0.009)], 0.9)
        head = at(
            [(0.438, 0.16), (0.452, 0.128), (0.49, 0.118), (0.53, 0.15), (0.53, 0.24), (0.47, 0.235), (0.438, 0.20)]
        )
        blades.fill([head], 1.0)
        rims.stroke(head, 0.0035, 0.8)
    return 0.085 * blades.plane(2.4) + 0.05 * rims.plane(1.4)


def _consolidation(rng: np.random.Generator, opacity: Opacity, depth: Plane) -> Plane:
    """Return a patch of lung filled with fluid: soft edges, uneven, with a few dark bronchi left in it."""
    x, y = axes()
    ragged = 0.20 * clouds(rng, 9) + 0.13 * clouds(rng, 22) + 0.06 * clouds(rng, 55)
    radius = np.sqrt(((x - opacity.x) / opacity.width) ** 2 + ((y - opacity.y) / opacity.height) ** 2)
    core = 1 / (1 + np.exp((radius + ragged - 0.72) * 5.0))
    haze = np.exp(-((radius / 1.05) ** 4))
    patchy = np.clip(0.84 + 0.12 * clouds(rng, 26) + 0.06 * clouds(rng, 70), 0.2, 1.1)
    fluid: Plane = opacity.density * (0.32 * core * patchy + 0.14 * haze) * np.sqrt(depth)
    return fluid

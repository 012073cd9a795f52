"""Two radiographs that a chest model must not be asked about: a lateral chest and a hand.

Plainer than the frontal chest, since they only have to be told from it; the same units and the same grid.
"""

import itertools

import numpy as np

from cxrnode.phantom_canvas import GRID, Layer, Pairs, Plane, Points, axes, band, chord, clouds, curve, ellipse

_TRUNK: Pairs = (
    (0.36, -0.05), (0.35, 0.06), (0.25, 0.16), (0.17, 0.28), (0.13, 0.45), (0.13, 0.65), (0.15, 0.85), (0.14, 1.05),
    (0.86, 1.05), (0.87, 0.85), (0.885, 0.60), (0.87, 0.38), (0.80, 0.18), (0.66, 0.06), (0.62, -0.05),
)  # fmt: skip
_LUNG: Pairs = (
    (0.42, 0.12), (0.34, 0.20), (0.265, 0.32), (0.225, 0.46), (0.235, 0.60), (0.27, 0.70), (0.27, 0.70), (0.38, 0.665),
    (0.50, 0.675), (0.63, 0.74), (0.735, 0.86), (0.735, 0.86), (0.775, 0.74), (0.785, 0.55), (0.75, 0.34), (0.66, 0.18),
    (0.55, 0.11),
)  # fmt: skip


def draw_lateral(seed: int) -> Plane:
    """Return a left lateral chest, the patient facing the left of the picture."""
    rng = np.random.default_rng([seed, 2])
    body = Layer().fill([curve(_TRUNK, closed=True)]).plane(1.6)
    lung = Layer().fill([curve(_LUNG, closed=True)]).plane(2.8)
    heart = Layer().fill([ellipse(0.37, 0.57, 0.125, 0.135, 0.5)]).plane(9)
    arms = Layer().fill([np.array([(0.10, -0.1), (0.42, 0.13), (0.60, 0.11), (0.55, -0.1)])]).plane(24)
    picture = 0.025 + body * (0.30 + 0.54 * chord(body, 60)) + 0.10 * arms
    picture -= 0.44 * lung * chord(lung, 50) * (1 + 0.03 * clouds(rng, 8)) - 0.24 * heart * lung
    picture += 0.012 * lung * clouds(rng, 120) - 0.10 * Layer().fill([_trachea()]).plane(4)
    return picture + _lateral_spine() + _lateral_ribs(rng) + _sternum()


def _trachea() -> Points:
    return band(curve([(0.49, -0.02), (0.50, 0.14), (0.515, 0.30), (0.52, 0.37)]), 0.019)


def _lateral_spine() -> Plane:
    bodies, rims = Layer(), Layer()
    centres = curve([(0.57, -0.02), (0.66, 0.14), (0.755, 0.36), (0.785, 0.56), (0.755, 0.78), (0.70, 1.02)], steps=4)
    for here, there in itertools.pairwise(centres):
        outline = band(np.array([here, here + 0.8 * (there - here)]), 0.034)
        bodies.fill([outline], 0.8)
        rims.stroke(np.concatenate([outline, outline[:1]]), 0.003, 0.9)
    return 0.14 * bodies.plane(2.5) + 0.07 * rims.plane(1.5)


def _lateral_ribs(rng: np.random.Generator) -> Plane:
    layers = (Layer(), Layer())
    for number in range(10):
        for layer, offset in zip(layers, (0.0, 0.022), strict=True):
            top = 0.07 + 0.062 * number + offset + rng.normal(0, 0.002)
            back = 0.70 + 0.14 * np.sin(min(number, 7) / 7 * np.pi / 2)
            path = [(back, top), (0.60, top + 0.06), (0.45, top + 0.16), (0.30, top + 0.23)]
            layer.fill([band(curve(path), 0.0105)], 0.8)
    return 0.05 * layers[0].plane(2.2) + 0.05 * layers[1].plane(2.8)


def _sternum() -> Plane:
    return 0.14 * Layer().fill([band(curve([(0.30, 0.20), (0.225, 0.34), (0.205, 0.54)]), 0.013)]).plane(2.0)


_RAYS: tuple[tuple[tuple[float, float], tuple[float, float], float], ...] = (
    ((0.50, 0.72), (0.235, 0.46), 0.60),
    ((0.50, 0.72), (0.385, 0.13), 0.44),
    ((0.50, 0.72), (0.510, 0.07), 0.43),
    ((0.50, 0.72), (0.625, 0.12), 0.43),
    ((0.50, 0.72), (0.735, 0.24), 0.44),
)
"""From the wrist to each finger's tip, and how far along it the knuckle lies: thumb first."""


_PALM: Pairs = (
    (0.415, 1.05), (0.41, 0.86), (0.35, 0.70), (0.36, 0.48), (0.47, 0.40), (0.60, 0.42), (0.665, 0.52), (0.63, 0.70),
    (0.585, 0.86), (0.585, 1.05),
)  # fmt: skip


def draw_hand(seed: int) -> Plane:
    """Return a hand from behind, fingers up."""
    rng = np.random.default_rng([seed, 3])
    skin, bones, rims = Layer(), Layer(), Layer()
    skin.fill([curve(_PALM, closed=True)])
    for number, (wrist, tip, knuckle) in enumerate(_RAYS):
        start, end = np.array(wrist), np.array(tip) + rng.normal(0, 0.008, 2)
        skin.fill([band(np.linspace(start + 0.2 * (end - start), end, 20), np.full(20, 0.042))])
        skin.fill([ellipse(end[0], end[1], 0.042, 0.042)])
        joints = [0.16, knuckle, knuckle + 0.42 * (1 - knuckle), 0.97]
        if number:
            joints.insert(3, knuckle + 0.74 * (1 - knuckle))
        for near, far in itertools.pairwise(joints):
            along = np.linspace(near + 0.008, far - 0.008, 24)[:, None]
            shaft = curve(start + along * (end - start), steps=1)
            wide = np.interp(np.linspace(0, 1, len(shaft)), [0, 0.06, 0.2, 0.5, 0.8, 0.94, 1],
                             [0.008, 0.0205, 0.017, 0.0125, 0.0145, 0.018, 0.008])  # fmt: skip
            outline = band(shaft, wide)
            bones.fill([outline], 0.8)
            rims.stroke(np.concatenate([outline, outline[:1]]), 0.005, 0.9)
    for x, y in (
        (0.455, 0.70),
        (0.49, 0.685),
        (0.525, 0.69),
        (0.555, 0.705),
        (0.46, 0.75),
        (0.50, 0.745),
        (0.54, 0.75),
    ):
        bones.fill([ellipse(x + rng.normal(0, 0.003), y, 0.024, 0.027)], 0.75)
        rims.stroke(curve(ellipse(x, y, 0.024, 0.027), steps=2), 0.004, 0.8)
    for x, half in ((0.465, 0.034), (0.545, 0.021)):
        shaft = curve([(x, 0.795), (x, 0.90), (x + 0.003, 1.04)])
        outline = band(shaft, np.interp(np.linspace(0, 1, len(shaft)), [0, 0.3, 1], [half, 0.7 * half, 0.55 * half]))
        bones.fill([outline], 0.85)
        rims.stroke(outline, 0.006, 0.9)
    flesh = skin.plane(2.5)
    _, down = axes()
    texture = 1 + 0.05 * clouds(rng, GRID // 8) + 0.03 * clouds(rng, 40)
    tissue = 0.16 + 0.20 * chord(flesh, 40) + 0.06 * np.clip(down - 0.4, 0, 1)
    hand: Plane = 0.025 + flesh * tissue + 0.26 * bones.plane(2.2) * texture + 0.20 * rims.plane(1.6)
    return hand

"""Images that show no chest radiograph: drawn ones, and ones made of chest films that no longer show a chest.

No radiograph of another body part is at hand to learn from, so shapes like them are drawn at random. They need not
deceive a reader: they fill the space between a chest and anything else. Functions return (rows, columns) float32 from
0 to 1.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from training.verdict.disturb import Gray, font, spread

SIDE = 144


def draw_any(rng: np.random.Generator) -> Gray:
    """Return a drawn image of a kind chosen at random."""
    kinds: tuple[tuple[Callable[[np.random.Generator], Gray], float], ...] = (
        (noise, 1.5), (fractal, 1.2), (ramp, 1.0), (page, 1.2), (slice_through_body, 3.0), (limbs, 3.0), (hand, 1.5),
        (pelvis, 2.5), (breast, 1.5), (skull, 1.5), (sector, 1.2), (leaves, 2.5), (blobs, 2.0), (spine, 1.5),
    )  # fmt: skip
    weights = np.array([weight for _, weight in kinds])
    gray = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))][0](rng)
    if rng.random() < 0.15:
        gray = 1 - gray
    if rng.random() < 0.3:
        gray = np.rot90(gray, int(rng.integers(4)))
    if rng.random() < 0.3:  # another shape of image
        keep = rng.uniform(0.5, 1.0)
        cut = int(SIDE * (1 - keep) / 2)
        gray = gray[cut : SIDE - cut] if rng.random() < 0.5 else gray[:, cut : SIDE - cut]
    return np.asarray(np.clip(gray, 0, 1), np.float32)


def unmade(films: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Return what chest films turn into when they are enlarged, shuffled, scrambled, warped or laid side by side."""
    film = films[0]
    kinds = (_detail, _detail, _detail, _shuffled, _scrambled, _warped, _folded)
    if rng.random() < 0.15:
        return _sheet(films, rng)
    return kinds[int(rng.integers(len(kinds)))](film, rng)


def _detail(film: Gray, rng: np.random.Generator) -> Gray:
    """Enlarge a detail: at most 45 % of the film's height and width."""
    rows, columns = film.shape
    height, width = int(rows * rng.uniform(0.14, 0.45)), int(columns * rng.uniform(0.14, 0.45))
    top, left = int(rng.uniform(0, rows - height)), int(rng.uniform(0, columns - width))
    detail = film[top : top + height, left : left + width]
    scale = SIDE / max(detail.shape)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(detail)).resize(size, Image.Resampling.BICUBIC), np.float32)


def _shuffled(film: Gray, rng: np.random.Generator) -> Gray:
    """Lay the film's tiles in another order."""
    count = int(rng.choice([2, 3, 3, 4, 5]))
    rows, columns = film.shape[0] // count * count, film.shape[1] // count * count
    tiles = film[:rows, :columns].reshape(count, rows // count, count, columns // count).swapaxes(1, 2)
    flat = tiles.reshape(count * count, rows // count, columns // count)
    order = rng.permutation(count * count)
    if (order == np.arange(count * count)).mean() > 0.3:
        order = np.roll(np.arange(count * count), 1)
    return flat[order].reshape(count, count, rows // count, columns // count).swapaxes(1, 2).reshape(rows, columns)


def _scrambled(film: Gray, rng: np.random.Generator) -> Gray:
    """Keep the film's spectrum and exchange its phases: its sharpness and contrast, and no shape."""
    spectrum = np.fft.rfft2(film)
    phases = np.fft.rfft2(rng.standard_normal(film.shape))
    strange = np.fft.irfft2(np.abs(spectrum) * np.exp(1j * np.angle(phases)), film.shape)
    return spread(np.asarray(strange, np.float32))


def _warped(film: Gray, rng: np.random.Generator) -> Gray:
    """Bend the film beyond any body."""
    rows, columns = film.shape
    shift = [ndimage.gaussian_filter(rng.standard_normal(film.shape), 12) for _ in range(2)]
    shift = [field / field.std() * rng.uniform(14, 26) for field in shift]
    y, x = np.mgrid[:rows, :columns]
    return np.asarray(ndimage.map_coordinates(film, [y + shift[0], x + shift[1]], order=1, mode="reflect"), np.float32)


def _folded(film: Gray, rng: np.random.Generator) -> Gray:
    """Lay a part of the film beside its mirror image, or shift it round its edges."""
    rows, columns = film.shape
    if rng.random() < 0.5:
        half = film[: rows // 2] if rng.random() < 0.5 else film[rows // 2 :]
        return np.concatenate([half, half[::-1]] if rng.random() < 0.5 else [half[::-1], half])
    return np.roll(film, (int(rows * rng.uniform(0.3, 0.7)), int(columns * rng.choice([0.0, 0.5]))), (0, 1))


def _sheet(films: Sequence[Gray], rng: np.random.Generator) -> Gray:
    """Lay two or more films in one image."""
    across, down = [(2, 1), (1, 2), (2, 2), (3, 2)][int(rng.integers(4))]
    canvas = Image.new("F", (SIDE, SIDE), float(rng.choice([0.0, 1.0, 0.5])))
    width, height = SIDE // across, SIDE // down
    for number in range(across * down):
        small = Image.fromarray(films[number % len(films)])
        small = small.resize((width - 2, height - 2), Image.Resampling.BOX)
        canvas.paste(small, (number % across * width + 1, number // across * height + 1))
    return np.asarray(canvas, np.float32)


def noise(rng: np.random.Generator) -> Gray:
    """Draw noise of any grain."""
    sigma = float(rng.choice([0.0, 0.0, 0.5, 1.0, 2.0, 4.0]))
    gray = rng.random((SIDE, SIDE), np.float32) if rng.random() < 0.5 else rng.standard_normal((SIDE, SIDE), np.float32)
    return spread(ndimage.gaussian_filter(gray, sigma) if sigma else gray)


def fractal(rng: np.random.Generator) -> Gray:
    """Draw clouds."""
    return spread(_clouds(rng, float(rng.uniform(0.6, 2.2))))


def ramp(rng: np.random.Generator) -> Gray:
    """Draw a test pattern: ramps, rings, stripes and checks."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    kind = int(rng.integers(5))
    if kind == 0:
        gray = along
    elif kind == 1:
        gray = np.hypot(x - rng.random(), y - rng.random())
    elif kind == 2:
        gray = 0.5 + 0.5 * np.sin(along * rng.uniform(5, 120))
    elif kind == 3:
        count = int(rng.integers(2, 12))
        gray = ((x * count).astype(int) + (y * count).astype(int)) % 2
    else:
        gray = np.floor(along * rng.integers(3, 16)) / 16
    grain = np.float32(rng.uniform(0, 0.03)) * rng.standard_normal((SIDE, SIDE), np.float32)
    return spread(np.asarray(gray, np.float32) + grain)


def page(rng: np.random.Generator) -> Gray:
    """Draw a page of text, a form or a report."""
    dark = rng.random() < 0.4
    image = Image.new("L", (SIDE, SIDE), 0 if dark else 255)
    draw = ImageDraw.Draw(image)
    size, y = int(rng.integers(5, 22)), float(rng.uniform(0, 20))
    letters = list("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJ 0123456789 .,:-")
    while y < SIDE:
        if rng.random() < 0.85:
            text = "".join(rng.choice(letters, int(rng.integers(3, 40))))
            draw.text((rng.uniform(0, 20), y), text, fill=255 if dark else 0, font=font(size))
        y += size * rng.uniform(1.0, 2.2)
    for _ in range(int(rng.integers(0, 4))):
        x0, y0 = rng.uniform(0, SIDE, 2)
        draw.rectangle([x0, y0, x0 + rng.uniform(5, 90), y0 + rng.uniform(5, 60)], outline=128)
    return np.asarray(image, np.float32) / np.float32(255)


def slice_through_body(rng: np.random.Generator) -> Gray:
    """Draw a CT or MR slice: an ellipse with organs, perhaps with lungs, a ring of bone, a table and a round field."""
    canvas = _Canvas(rng)
    cx, cy = SIDE / 2 + rng.normal(0, 6), SIDE / 2 + rng.normal(0, 6)
    a, b = rng.uniform(40, 66), rng.uniform(28, 60)
    canvas.ellipse(cx, cy, a, b, rng.uniform(0.35, 0.7), rough=0.04)
    if rng.random() < 0.5:
        canvas.ellipse(cx, cy, a * 0.9, b * 0.88, rng.uniform(0.3, 0.7), rough=0.05)
    if rng.random() < 0.4:  # lungs
        for side in (-1, 1):
            canvas.ellipse(cx + side * a * 0.45, cy - b * 0.05, a * 0.32, b * 0.6, rng.uniform(0.0, 0.15), rough=0.1)
        canvas.ellipse(cx + a * 0.1, cy - b * 0.15, a * 0.28, b * 0.35, rng.uniform(0.5, 0.7), rough=0.1)
    for _ in range(int(rng.integers(2, 9))):
        canvas.ellipse(
            cx + rng.normal(0, a * 0.4), cy + rng.normal(0, b * 0.4), a * rng.uniform(0.05, 0.35),
            b * rng.uniform(0.05, 0.35), rng.random(), rough=0.12,
        )  # fmt: skip
    canvas.ellipse(cx, cy + b * rng.uniform(0.4, 0.65), a * 0.14, b * 0.2, rng.uniform(0.8, 1.0), rough=0.1)
    if rng.random() < 0.5:
        canvas.ring(cx, cy, a * rng.uniform(0.8, 1.0), b * rng.uniform(0.8, 1.0), rng.uniform(2, 7), 1.0)
    if rng.random() < 0.4:
        canvas.draw.arc([10, 90, 134, 140], 0, 180, fill=int(rng.uniform(80, 200)), width=2)
    gray = canvas.done(rng.uniform(0.5, 2.0)) + 0.03 * rng.standard_normal((SIDE, SIDE), np.float32)
    if rng.random() < 0.4:
        y, x = np.mgrid[:SIDE, :SIDE]
        gray[np.hypot(x - SIDE / 2, y - SIDE / 2) > SIDE / 2] = 0
    return np.asarray(gray, np.float32)


def limbs(rng: np.random.Generator) -> Gray:
    """Draw arms, legs, knees, hips or shoulders: tapered soft tissue with one or two bones inside, joints between."""
    canvas = _Canvas(rng)
    horizontal = rng.random() < 0.3
    for limb in range(int(rng.choice([1, 1, 1, 2]))):
        middle = SIDE * (0.5 if limb == 0 else 0.75) + rng.normal(0, 10)
        top, bottom = rng.uniform(14, 56), rng.uniform(14, 56)
        lean = rng.normal(0, 18)
        canvas.strip(middle - lean, middle + lean, top, bottom, rng.uniform(0.2, 0.55))
        count = int(rng.choice([1, 2]))
        joint = rng.uniform(0.2, 0.8) * SIDE
        for bone in range(count):
            offset = (bone - (count - 1) / 2) * rng.uniform(10, 22)
            wide = rng.uniform(4, 13)
            canvas.bone(middle - lean + offset, -5, middle + offset, joint - 3, wide, rng.uniform(1.2, 2.6))
            canvas.bone(middle + offset, joint + 3, middle + lean + offset, SIDE + 5, wide * rng.uniform(0.7, 1.3), 2.0)
    gray = canvas.done(rng.uniform(0.6, 1.6)) + 0.06 * _clouds(rng, 1.5)
    return np.asarray(gray.T if horizontal else gray, np.float32)


def hand(rng: np.random.Generator) -> Gray:
    """Draw a hand or a foot: five rays of small bones from a cluster."""
    canvas = _Canvas(rng)
    cx, base = SIDE / 2 + rng.normal(0, 8), SIDE * rng.uniform(0.6, 0.75)
    canvas.ellipse(cx, base, rng.uniform(24, 36), rng.uniform(24, 36), 0.4)
    canvas.strip(cx, cx, 20, 20, 0.4, begin=base)
    for finger in range(5):
        angle = np.radians(-90 + (finger - 2) * rng.uniform(12, 20) + rng.normal(0, 3))
        x, y = cx + (finger - 2) * rng.uniform(7, 10), base - 5
        for bone in range(4):
            length = rng.uniform(11, 24) * (1 - 0.15 * bone)
            x2, y2 = x + length * np.cos(angle), y + length * np.sin(angle)
            canvas.draw.line([x, y, x2, y2], fill=int(0.4 * 255), width=int(rng.uniform(12, 16)))
            x, y = x2, y2
        x, y = cx + (finger - 2) * 8.5, base - 5
        for bone in range(4):
            length = rng.uniform(11, 24) * (1 - 0.15 * bone)
            x2, y2 = x + length * np.cos(angle), y + length * np.sin(angle)
            canvas.bone(x, y, x2, y2, rng.uniform(3.0, 5.5), 1.3)
            x, y = x2 + 2 * np.cos(angle), y2 + 2 * np.sin(angle)
    for _ in range(8):
        canvas.ellipse(cx + rng.normal(0, 12), base + rng.uniform(0, 14), 5, 5, rng.uniform(0.6, 0.9), rough=0.1)
    canvas.bone(cx - 7, base + 18, cx - 9, SIDE + 4, 8, 2)
    canvas.bone(cx + 8, base + 18, cx + 9, SIDE + 4, 6, 2)
    return canvas.done(rng.uniform(0.5, 1.2))


def pelvis(rng: np.random.Generator) -> Gray:
    """Draw an abdomen or a pelvis: bright soft tissue with a spine, wings of bone and gas, and no lungs."""
    canvas = _Canvas(rng, rng.uniform(0.3, 0.65))
    cx = SIDE / 2 + rng.normal(0, 5)
    for side in (-1, 1):
        if rng.random() < 0.8:
            canvas.ellipse(cx + side * SIDE * 0.62, SIDE * rng.uniform(0.3, 0.5), 26, 90, 0.05)
    y = -5.0
    while y < SIDE * rng.uniform(0.6, 1.1):
        canvas.block(cx, y, rng.uniform(9, 13), rng.uniform(9, 12), rng.uniform(0.75, 0.95))
        y += rng.uniform(12, 16)
    if rng.random() < 0.7:
        for side in (-1, 1):
            canvas.ellipse(cx + side * 34, SIDE * 0.78, 27, 24, rng.uniform(0.7, 0.9), rough=0.08)
            canvas.ellipse(cx + side * 27, SIDE * 0.98, 12, 11, rng.uniform(0.3, 0.5))
            canvas.ring(cx + side * 48, SIDE * 0.97, 10, 10, 4, 0.95)
    for _ in range(int(rng.integers(3, 16))):
        canvas.ellipse(
            cx + rng.normal(0, 32), SIDE * rng.uniform(0.1, 0.8), rng.uniform(3, 14), rng.uniform(3, 10),
            rng.uniform(0.05, 0.4), rough=0.15,
        )  # fmt: skip
    return np.asarray(canvas.done(rng.uniform(1.0, 2.5)) + 0.1 * _clouds(rng, 1.4), np.float32)


def breast(rng: np.random.Generator) -> Gray:
    """Draw a mammogram: half an ellipse of clouds at one edge."""
    canvas = _Canvas(rng)
    left = rng.random() < 0.5
    canvas.ellipse(0 if left else SIDE, SIDE * rng.uniform(0.4, 0.6), rng.uniform(50, 110), rng.uniform(45, 80), 0.45)
    if rng.random() < 0.5:
        x = 0 if left else SIDE
        canvas.draw.polygon([x, 0, abs(x - rng.uniform(25, 55)), 0, x, rng.uniform(50, 110)], fill=230)
    gray = canvas.done(2.5)
    return np.asarray(gray * (0.7 + 0.8 * (_clouds(rng, 1.3) - 0.2)), np.float32)


def skull(rng: np.random.Generator) -> Gray:
    """Draw a skull from in front or from the side."""
    canvas = _Canvas(rng)
    cx, cy, a, b = SIDE / 2 + rng.normal(0, 5), SIDE * rng.uniform(0.4, 0.5), rng.uniform(38, 58), rng.uniform(42, 60)
    canvas.ellipse(cx, cy, a, b, rng.uniform(0.4, 0.6))
    canvas.ring(cx, cy, a, b, rng.uniform(3, 8), 0.95)
    for side in (-1, 1):
        canvas.ellipse(cx + side * a * 0.42, cy + b * 0.3, a * 0.22, b * 0.17, rng.uniform(0.2, 0.4))
    canvas.ellipse(cx, cy + b * 0.55, a * 0.15, b * 0.22, rng.uniform(0.15, 0.35))
    canvas.ellipse(cx + rng.normal(0, 12), cy + b * 0.95, a * 0.55, b * 0.3, rng.uniform(0.6, 0.9), rough=0.08)
    canvas.strip(cx, cx, 18, 26, 0.55, begin=cy + b)
    return np.asarray(canvas.done(1.2) + 0.1 * _clouds(rng, 1.5), np.float32)


def spine(rng: np.random.Generator) -> Gray:
    """Draw a neck or a lumbar spine: a bent column of blocks in soft tissue."""
    canvas = _Canvas(rng, rng.uniform(0.0, 0.3))
    canvas.strip(
        SIDE / 2, SIDE / 2 + rng.normal(0, 15), rng.uniform(35, 70), rng.uniform(35, 70), rng.uniform(0.3, 0.5)
    )
    bend, x, y = rng.normal(0, 0.004), SIDE / 2 + rng.normal(0, 15), 0.0
    slope = rng.normal(0, 0.2)
    size = rng.uniform(8, 22)
    while y < SIDE:
        canvas.block(x, y, size, size * 0.8, rng.uniform(0.75, 0.95))
        if rng.random() < 0.7:
            canvas.block(x + size * 1.7, y + size * 0.4, size * 0.7, size * 0.3, 0.7)
        x, y, slope = x + slope * size, y + size, slope + bend * size
    return np.asarray(canvas.done(1.2) + 0.08 * _clouds(rng, 1.5), np.float32)


def sector(rng: np.random.Generator) -> Gray:
    """Draw an ultrasound image: a sector of speckle."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    cx, cy = SIDE / 2 + rng.normal(0, 10), rng.uniform(-20, 15)
    radius, angle = np.hypot(x - cx, y - cy), np.arctan2(x - cx, y - cy)
    inside = (np.abs(angle) < rng.uniform(0.4, 0.9)) & (radius < SIDE * rng.uniform(0.8, 1.0)) & (radius > 15)
    speckle = np.abs(ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), 0.9)) * (0.3 + 1.2 * _clouds(rng, 1.6))
    return np.asarray(np.where(inside, spread(speckle.astype(np.float32)), 0), np.float32)


def leaves(rng: np.random.Generator) -> Gray:
    """Draw overlapping patches of any size and tone, with the statistics of a photograph."""
    image = Image.new("L", (SIDE, SIDE), int(rng.integers(256)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(20, 250))):
        radius = min(60.0, 3.0 / np.sqrt(rng.random() + 1e-3))
        x, y = rng.uniform(-10, SIDE + 10, 2)
        tone = int(rng.integers(256))
        if rng.random() < 0.6:
            draw.ellipse([x - radius, y - radius * 0.7, x + radius, y + radius * 0.7], fill=tone)
        else:
            corners = rng.normal(0, radius, (int(rng.integers(3, 6)), 2)) + np.array([x, y])
            draw.polygon([tuple(corner) for corner in corners.tolist()], fill=tone)
    gray = np.asarray(image, np.float32) / 255
    return np.asarray(ndimage.gaussian_filter(gray, rng.uniform(0, 2)) + 0.2 * (_clouds(rng, 1.2) - 0.5), np.float32)


def blobs(rng: np.random.Generator) -> Gray:
    """Draw soft shapes laid out in a mirrored or in no order: dark and bright fields as in a chest, elsewhere."""
    canvas = _Canvas(rng, rng.random())
    for _ in range(int(rng.integers(2, 12))):
        x, y = rng.uniform(0, SIDE, 2)
        a, b, tone = rng.uniform(8, 50), rng.uniform(8, 50), rng.random()
        canvas.ellipse(x, y, a, b, tone, rough=0.1)
        if rng.random() < 0.5:
            canvas.ellipse(SIDE - x, y, a, b, tone, rough=0.1)
    return np.asarray(canvas.done(rng.uniform(1, 6)) + 0.15 * (_clouds(rng, 1.5) - 0.5), np.float32)


class _Canvas:
    """A drawing of soft shapes, (SIDE, SIDE), on an even ground."""

    def __init__(self, rng: np.random.Generator, ground: float = 0.0) -> None:
        self._rng = rng
        self.image = Image.new("L", (SIDE, SIDE), int(255 * ground))
        self.draw = ImageDraw.Draw(self.image)

    def ellipse(self, x: float, y: float, a: float, b: float, tone: float, rough: float = 0.0) -> None:
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        wave = 1 + rough * sum(np.sin(k * angle + self._rng.uniform(0, 6.3)) for k in (2, 3, 5))
        outline = np.stack([x + a * wave * np.cos(angle), y + b * wave * np.sin(angle)], 1)
        self.draw.polygon([tuple(point) for point in outline.tolist()], fill=int(255 * tone))

    def ring(self, x: float, y: float, a: float, b: float, width: float, tone: float) -> None:
        self.draw.ellipse([x - a, y - b, x + a, y + b], outline=int(255 * tone), width=max(1, int(width)))

    def block(self, x: float, y: float, half: float, height: float, tone: float) -> None:
        self.draw.rectangle([x - half, y, x + half, y + height], fill=int(255 * tone), outline=int(255 * tone * 0.8))

    def strip(self, x0: float, x1: float, half0: float, half1: float, tone: float, begin: float = -5.0) -> None:
        corners = [(x0 - half0, begin), (x0 + half0, begin), (x1 + half1, SIDE + 5), (x1 - half1, SIDE + 5)]
        self.draw.polygon(corners, fill=int(255 * tone))

    def bone(self, x0: float, y0: float, x1: float, y1: float, width: float, flare: float) -> None:
        """Draw a shaft with a bright cortex that widens at its ends."""
        bright, marrow = int(self._rng.uniform(200, 255)), int(self._rng.uniform(130, 200))
        self.draw.line([x0, y0, x1, y1], fill=bright, width=max(2, int(width)))
        self.draw.line([x0, y0, x1, y1], fill=marrow, width=max(1, int(width * 0.6)))
        for x, y in ((x0, y0), (x1, y1)):
            radius = width * flare / 2
            self.draw.ellipse([x - radius, y - radius * 0.8, x + radius, y + radius * 0.8], fill=marrow, outline=bright)

    def done(self, sigma: float) -> Gray:
        return np.asarray(ndimage.gaussian_filter(np.asarray(self.image, np.float32) / 255, sigma), np.float32)


def _clouds(rng: np.random.Generator, slope: float) -> Gray:
    """Noise whose amplitude falls with frequency to the power of ``slope``, 0 to 1."""
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    y, x = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    radius: NDArray[np.float64] = np.hypot(x, y)
    radius[0, 0] = 1
    field = np.fft.irfft2(spectrum / radius**slope, (SIDE, SIDE))
    low, high = np.percentile(field, (1, 99))
    return np.asarray(np.clip((field - low) / (high - low), 0, 1), np.float32)

"""What differs between good films of two hospitals: exposure, processing, collimation, borders, letters, sharpness.

Every kind of image is disturbed in the same way, so that no disturbance tells what an image shows. Functions take and
return (rows, columns) float32 from 0 to 1 and do not write to what they are given.
"""

import string

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

Gray = NDArray[np.float32]
_FONTS: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}


def disturb(gray: Gray, rng: np.random.Generator, *, margins: bool = True) -> Gray:
    """Return the image as another machine, archive or viewer might have stored it.

    Without ``margins`` it is never laid on a larger field, so that it keeps its size and its place.
    """
    for chance, change in (
        (0.5, _processed),
        (0.8, _exposed),
        (0.3, _uneven),
        (0.3, _collimated),
        (0.6, _resampled),
        (0.6, _noisy),
        (0.35, _bordered),
        (0.55, _lettered),
        (0.12, _covered),
    ):
        if rng.random() < chance and (margins or change is not _bordered):
            gray = change(gray, rng)
    return np.clip(gray, 0.0, 1.0)


def spread(gray: Gray) -> Gray:
    """Return the image with its middle 98 % of grey levels from 0 to 1, as serving stretches them."""
    low, high = np.percentile(gray[::2, ::2], (1.0, 99.0))
    return gray if high - low < 0.02 else np.asarray(np.clip((gray - low) / (high - low), 0, 1), np.float32)


def _exposed(gray: Gray, rng: np.random.Generator) -> Gray:
    """Change gamma and window; a narrow window saturates either end."""
    gray = np.power(np.clip(gray, 0, 1), np.float32(np.exp(rng.normal(0, 0.4))))
    low, high = rng.uniform(-0.1, 0.15), rng.uniform(0.8, 1.15)
    return np.asarray(np.clip((gray - low) / (high - low), 0, 1), np.float32)


def _processed(gray: Gray, rng: np.random.Generator) -> Gray:
    """Sharpen or flatten by an unsharp mask of any width, as vendors' processing does."""
    sigma = float(np.exp(rng.uniform(np.log(1.0), np.log(16.0))))
    amount = np.float32(rng.uniform(-0.5, 1.5))
    low = ndimage.gaussian_filter(gray, sigma, truncate=2.5)
    changed = gray + amount * (gray - low)
    if sigma > 5 and rng.random() < 0.4:  # local equalisation
        changed = 0.5 + np.float32(rng.uniform(0.2, 0.5)) * (gray - low) / (
            np.sqrt(ndimage.gaussian_filter((gray - low) ** 2, sigma, truncate=2.5)) + np.float32(0.05)
        )
    return np.asarray(np.clip(changed, 0, 1), np.float32)


def _uneven(gray: Gray, rng: np.random.Generator) -> Gray:
    """Add a slow gradient, such as from a heel effect or a grid that is off centre."""
    rows, columns = gray.shape
    y, x = np.linspace(-1, 1, rows, dtype=np.float32)[:, None], np.linspace(-1, 1, columns, dtype=np.float32)[None]
    a, b, c = rng.normal(0, 0.1, 3).astype(np.float32)
    return np.asarray(np.clip(gray + a * x + b * y + c * (x * x + y * y - 0.6), 0, 1), np.float32)


def _collimated(gray: Gray, rng: np.random.Generator) -> Gray:
    """Cover a thin margin with one tone, its edge a little askew."""
    rows, columns = gray.shape
    gray, tone = gray.copy(), np.float32(rng.choice([0.0, 0.0, 0.02, 0.08, 1.0]))
    for side in range(4):
        if rng.random() < 0.5:
            depth = rng.uniform(0.0, 0.06) * min(rows, columns)
            slope = rng.normal(0, 0.015)
            length = columns if side % 2 == 0 else rows
            edge = depth + slope * (np.arange(length) - length / 2)
            across = np.arange(rows if side % 2 == 0 else columns)
            if side >= 2:
                across = across[::-1]
            mask = across[:, None] < edge[None] if side % 2 == 0 else (across[:, None] < edge[None]).T
            gray[mask] = tone
    return gray


def _resampled(gray: Gray, rng: np.random.Generator) -> Gray:
    """Lose sharpness: shrink and enlarge again, or blur."""
    rows, columns = gray.shape
    if rng.random() < 0.5:
        return np.asarray(ndimage.gaussian_filter(gray, rng.uniform(0.2, 1.0), truncate=2.5), np.float32)
    factor = rng.uniform(0.4, 0.95)
    kinds = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX, Image.Resampling.NEAREST)
    down, up = (kinds[int(rng.integers(4))] for _ in range(2))
    small = Image.fromarray(gray).resize((max(8, int(columns * factor)), max(8, int(rows * factor))), down)
    return np.clip(np.asarray(small.resize((columns, rows), up), np.float32), 0, 1)


def _noisy(gray: Gray, rng: np.random.Generator) -> Gray:
    """Add noise, white or a little coarse."""
    noise = rng.standard_normal(gray.shape, np.float32)
    if rng.random() < 0.4:
        noise = 2.5 * ndimage.gaussian_filter(noise, 0.8, truncate=2.0)
    return np.asarray(np.clip(gray + np.float32(rng.uniform(0.005, 0.06)) * noise, 0, 1), np.float32)


def _bordered(gray: Gray, rng: np.random.Generator) -> Gray:
    """Lay the film on a margin of one tone, on some sides only."""
    rows, columns = gray.shape
    before, after, left, right = (
        int(rng.uniform(0, 0.09) * side) * int(rng.random() < 0.6) for side in (rows, rows, columns, columns)
    )
    tone = np.float32(rng.choice([0.0, 0.0, 0.0, 1.0, rng.random()]))
    return np.pad(gray, ((before, after), (left, right)), constant_values=tone)


def _lettered(gray: Gray, rng: np.random.Generator) -> Gray:
    """Write side markers, names, dates or arrows, mostly near the edges; any letter on any side."""
    rows, columns = gray.shape
    image = Image.fromarray((gray * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 5))):
        tone = int(rng.choice([255, 255, 255, 0, 180]))
        count = 1 if rng.random() < 0.5 else int(rng.integers(2, 18))
        letters = "LR" if count == 1 and rng.random() < 0.7 else string.ascii_uppercase + string.digits + " :/-."
        text = "".join(rng.choice(list(letters), count))
        size = int(rng.integers(5, 12 if count > 1 else 18))
        if rng.random() < 0.8:
            x, y = (float(rng.choice([rng.uniform(0, 0.15), rng.uniform(0.75, 0.97)])) for _ in range(2))
            if rng.random() < 0.4:
                x = rng.random()
        else:
            x, y = rng.random(2)
        spot = (x * columns, y * rows)
        if rng.random() < 0.08:
            draw.line([spot, (spot[0] + rng.normal(0, 12), spot[1] + rng.normal(0, 12))], fill=tone, width=2)
            continue
        if rng.random() < 0.1:
            draw.rectangle([spot[0] - 2, spot[1] - 2, spot[0] + size * count * 0.7 + 2, spot[1] + size + 2], 255 - tone)
        draw.text(spot, text, fill=tone, font=font(size))
    return np.asarray(image, np.float32) / np.float32(255)


def _covered(gray: Gray, rng: np.random.Generator) -> Gray:
    """Cover corners or small patches with one tone, as when names are blacked out."""
    rows, columns = gray.shape
    gray = gray.copy()
    for _ in range(int(rng.integers(1, 4))):
        height, width = int(rows * rng.uniform(0.03, 0.12)), int(columns * rng.uniform(0.05, 0.3))
        top = int(rng.choice([0, rows - height, int(rng.uniform(0, rows - height))], p=[0.45, 0.45, 0.1]))
        left = int(rng.choice([0, columns - width, int(rng.uniform(0, columns - width))], p=[0.45, 0.45, 0.1]))
        gray[top : top + height, left : left + width] = np.float32(rng.choice([0.0, 1.0, rng.random()]))
    return gray


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font in a size, kept for the next letter."""
    if size not in _FONTS:
        _FONTS[size] = ImageFont.load_default(size)
    return _FONTS[size]

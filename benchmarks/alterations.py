"""Images that no chest model should judge as they are, made from good films or from nothing."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Gray = NDArray[np.float32]


def _crop(down: slice, across: slice) -> Callable[[Gray], Gray]:
    def cut(gray: Gray) -> Gray:
        rows, columns = gray.shape
        return gray[
            int(down.start * rows) : int(down.stop * rows), int(across.start * columns) : int(across.stop * columns)
        ]

    return cut


def _noisy(gray: Gray) -> Gray:
    return gray + np.random.default_rng(gray.size).normal(0, 0.25, gray.shape)


def _blurred(gray: Gray) -> Gray:
    image = Image.fromarray(np.rint(gray * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(max(gray.shape) / 60)), np.float32) / 255


_WHOLE = slice(0, 1)
ALTERATIONS: dict[str, Callable[[Gray], Gray]] = {
    "negative": lambda gray: 1 - gray,
    "turned by 90 degrees": np.rot90,
    "turned by 180 degrees": lambda gray: np.rot90(gray, 2),
    "turned by 270 degrees": lambda gray: np.rot90(gray, 3),
    "mirrored": lambda gray: gray[:, ::-1],
    "left half": _crop(_WHOLE, slice(0, 0.5)),
    "right half": _crop(_WHOLE, slice(0.5, 1)),
    "upper half": _crop(slice(0, 0.5), _WHOLE),
    "lower half": _crop(slice(0.5, 1), _WHOLE),
    "a detail, a fifth of each side": _crop(slice(0.35, 0.55), slice(0.2, 0.4)),
    "gamma 3": lambda gray: gray**3,
    "gamma 0.33": lambda gray: gray**0.33,
    "two tones": lambda gray: (gray > np.median(gray)).astype(np.float32),
    "saturated window": lambda gray: (gray - 0.4) * 5,
    "noise of a quarter of the range": _noisy,
    "blurred by a sixtieth of the side": _blurred,
}


def altered(name: str, gray: Gray) -> Gray:
    """Return the image altered in one way, within 0 to 1."""
    return np.ascontiguousarray(np.clip(ALTERATIONS[name](gray), 0, 1), np.float32)


def synthetic(count: int) -> Iterator[tuple[str, Gray]]:
    """Yield a kind and an image of noise, of smooth noise and of a grey ramp, ``count`` of each."""
    random = np.random.default_rng(1)
    for number in range(count):
        yield "noise", random.random((400, 400), np.float32)
        small = Image.fromarray(random.random((4 + 4 * number, 4 + 4 * number), np.float32))
        yield "smooth noise", np.clip(np.asarray(small.resize((400, 400), Image.Resampling.BICUBIC)), 0, 1)
        across, down = np.linspace(0, 1, 400, dtype=np.float32), np.linspace(0.1 * number, 1, 300, dtype=np.float32)
        yield "grey ramp", across[None, :] * down[:, None]

"""Pictures as the files that other tools read: JPEG and PNG as they are, anything else as grey PNG."""

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from config.errors import DataError
from training.data.image_files import read_picture

_KEPT = {"JPEG": ".jpg", "PNG": ".png"}
_EIGHT_BIT = frozenset({"L", "RGB", "RGBA", "P", "1"})


@dataclass(frozen=True, slots=True)
class PortablePicture:
    """An encoded picture that was decoded once to see that it is whole."""

    encoded: bytes
    ending: str
    """``.jpg`` or ``.png``."""
    rows: int
    columns: int
    channels: int


def portable(path: Path) -> PortablePicture:
    """Return a picture file's bytes when they are JPEG or PNG of 8 bits, else its grey levels as PNG.

    Raises
    ------
    DataError
        When the picture cannot be read.
    """
    picture = read_picture(path)
    encoded = path.read_bytes()
    ending, channels = _kept(encoded)
    if not ending:
        ending, channels, stream = ".png", 1, io.BytesIO()
        grey = (picture.gray * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        Image.fromarray(grey).save(stream, "PNG")
        encoded = stream.getvalue()
    return PortablePicture(encoded, ending, picture.rows, picture.columns, channels)


def portable_name(file: str, ending: str) -> str:
    """Return a picture's name within a data set, with the ending that its bytes now have.

    Raises :class:`DataError` for a name that leads out of the data set.
    """
    name = PurePosixPath(file)
    if not name.name or name.is_absolute() or ".." in name.parts:
        raise DataError(f"the picture's name {file} leads out of the data set: give its place within it")
    kept = {".jpg", ".jpeg"} if ending == ".jpg" else {ending}
    return str(name if name.suffix.lower() in kept else name.with_name(name.stem + ending))


def _kept(encoded: bytes) -> tuple[str, int]:
    """Return the ending and the channels of a file that can stay as it is; nothing and 0 of another."""
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            kept = image.mode in _EIGHT_BIT
            return (_KEPT.get(image.format or "", ""), len(image.getbands())) if kept else ("", 0)
    except OSError:
        return "", 0

"""Real DICOM files that benchmarks ask about."""

from collections.abc import Iterator
from pathlib import Path

from config.errors import DataError
from inference.pixels import Picture
from training.data.image_files import read_picture


def decodable(folder: Path) -> Iterator[tuple[Path, Picture]]:
    """Yield each DICOM file of a folder that decodes, with its image; the node refuses the others before any model."""
    for path in sorted(folder.glob("*.dcm")):
        try:
            yield path, read_picture(path)
        except DataError:
            continue

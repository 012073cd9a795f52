"""The captures that the demonstration's PACS got, as PNG for eyes without a viewer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image
from pydicom import dcmread

from cxrnode.free_path import free_path


def export_pictures(folder: Path, kind: str, files_of: Mapping[str, Sequence[Path]]) -> list[Path]:
    """Write each secondary capture of a kind as PNG beside it.

    Parameters
    ----------
    folder
        Where the captures lie.
    kind
        How their names begin, ``capture`` or ``map``.
    files_of
        The files that brought each SOP Instance UID.
    """
    return sorted(_export_picture(path, kind, files_of) for path in sorted(folder.glob(f"{kind}-*.dcm")))


def _export_picture(capture: Path, kind: str, files_of: Mapping[str, Sequence[Path]]) -> Path:
    """Write a secondary capture as PNG, for eyes without a viewer, named after the file of the radiograph."""
    dataset = dcmread(capture)
    files = files_of.get(dataset.SourceImageSequence[0].ReferencedSOPInstanceUID, ())
    stem = f"{kind}-{files[0].stem}" if files else capture.stem
    path = free_path(capture.with_name(f"{stem}.png"))
    Image.fromarray(dataset.pixel_array).save(path)
    return path

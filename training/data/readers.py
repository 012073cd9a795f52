"""One door to every layout that this room reads."""

from collections.abc import Callable, Mapping
from pathlib import Path

from config.errors import DataError, SettingsError
from training.data import class_folders, coronahack, dicom, feedback, manifest, nih, rsna, tfrecord, voc
from training.data.examples import Example

READERS: Mapping[str, Callable[[Path], tuple[Example, ...]]] = {
    "manifest": manifest.read,
    "class-folders": class_folders.read,
    "coronahack": coronahack.read,
    "nih": nih.read,
    "rsna": rsna.read,
    "voc": voc.read,
    "tfrecord": tfrecord.read,
    "dicom": dicom.read,
    "feedback": feedback.read,
}


def open_data(root: Path, reader: str) -> tuple[Example, ...]:
    """Read a data folder by the name of its layout.

    Raises
    ------
    SettingsError
        When there is no such reader.
    DataError
        Naming what is wrong with the data and the cure.
    """
    if reader not in READERS:
        raise SettingsError(f"there is no reader {reader}: choose one of {', '.join(sorted(READERS))}")
    if not root.is_dir():
        raise DataError(f"{root} is no folder: give the folder that the data set was unpacked into")
    return READERS[reader](root)

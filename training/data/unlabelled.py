"""A folder of images about which nothing is known: JPEG, PNG and DICOM files at any depth, without labels."""

from pathlib import Path

from config.errors import DataError
from training.data.examples import Example, View
from training.data.headers import read_header

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".dcm"})


def read(root: Path) -> tuple[Example, ...]:
    """List every image file below ``root``, in the order of its name; each counts as a patient of its own.

    Of a DICOM file the header gives view, age and sex. Hidden files and folders are passed over.

    Raises
    ------
    DataError
        When there is no image, or a DICOM file has no readable header.
    """
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not paths:
        raise DataError(f"{root} holds no JPEG, PNG or DICOM file (.jpg, .jpeg, .png, .dcm): give a folder of images")
    return tuple(_example(root, path) for path in paths)


def _example(root: Path, path: Path) -> Example:
    view, age, sex = read_header(path) if path.suffix.lower() == ".dcm" else (View.UNKNOWN, None, "")
    file = path.relative_to(root).as_posix()
    return Example(file=file, path=path, patient=file, source="unlabelled", view=view, age=age, sex=sex)

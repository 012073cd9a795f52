"""A folder a class, as the COVID-19 Radiography Database has it: ``COVID/images/*.png`` or plain ``COVID/*.jpg``."""

from pathlib import Path

from config.errors import DataError
from training.data.examples import Example
from training.data.patients import owner_of, warn_of_unknown
from training.data.terms import term

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".dcm"})
_NOT_PICTURES = frozenset({"masks"})
_PICTURES = "images"


def read(root: Path) -> tuple[Example, ...]:
    """Read every class's folder under ``root``; its name is the class, in the catalogue's term where there is one.

    The classes exclude one another: of each picture its own is true and all others are not. Folders whose name begins
    with a dot are passed over, and so are lung masks beside ``images``. Patients come from file names that carry
    their number; another picture counts as a patient of its own, which is logged.

    Raises
    ------
    DataError
        When there are fewer than two classes, one is empty or holds another kind of file, or two folders' names come
        to the same class.
    """
    folders = {path: term(path.name) for path in sorted(root.iterdir()) if path.is_dir() and path.name[0] != "."}
    if len(folders) < 2:
        raise DataError(f"{root} holds fewer than two class folders: give the folder that has one folder a class")
    classes: dict[str, Path] = {}
    for folder, name in folders.items():
        if not name or not name[0].isalpha():
            raise DataError(f"the folder {folder.name} makes no class name: begin it with a letter a to z")
        if name in classes:
            raise DataError(f"the folders {classes[name].name} and {folder.name} are both {name}: put them into one")
        classes[name] = folder
    examples: list[Example] = []
    owners = []
    for name, folder in classes.items():
        for path in _pictures(folder):
            owner = owner_of(path.stem)
            owners.append(owner)
            examples.append(
                Example(
                    file=path.relative_to(root).as_posix(),
                    path=path,
                    patient=owner.patient if owner.known else path.relative_to(root).as_posix(),
                    source=root.resolve().name,
                    truths={other: other == name for other in classes},
                )
            )
    warn_of_unknown(owners, "class-folders")
    return tuple(examples)


def _pictures(folder: Path) -> list[Path]:
    within = folder / _PICTURES if (folder / _PICTURES).is_dir() else folder
    found = []
    for path in sorted(within.iterdir()):
        if path.name.startswith(".") or (path.is_dir() and path.name.lower() in _NOT_PICTURES):
            continue
        if path.suffix.lower() not in ENDINGS or path.is_dir():
            raise DataError(f"{path} is no JPEG, PNG or DICOM file: take it out of the class's folder")
        found.append(path)
    if not found:
        raise DataError(f"the class folder {folder.name} has no pictures: add some or remove the folder")
    return found

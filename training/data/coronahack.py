"""The CoronaHack chest X-ray data set: a CSV file with two label columns that are joined, and pictures in two folders.

``Label`` and ``Label_2_Virus_category`` (empty is NA) are joined to Normal/NA, Pneumonia/NA and Pneumonia/COVID-19,
the three classes of the published projects.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from config.errors import DataError
from config.logs import get_logger
from training.data.csv_rows import refuse_duplicates, rows
from training.data.examples import Example
from training.data.patients import Owner, owner_of, warn_of_unknown
from training.data.terms import COVID19, NORMAL, PNEUMONIA

COLUMNS = ("X_ray_image_name", "Label", "Dataset_type", "Label_1_Virus_category", "Label_2_Virus_category")
CLASSES: Mapping[str, str] = {"Normal/NA": NORMAL, "Pneumonia/NA": PNEUMONIA, "Pneumonia/COVID-19": COVID19}
PARTS: Mapping[str, int] = {"TRAIN": 0, "TEST": 1}
"""The published parts as folds."""
_METADATA = "Chest_xray_Corona_Metadata.csv"
_LABELS = {"normal": "Normal", "pneumonia": "Pneumonia", "pnemonia": "Pneumonia"}  # the file itself misspells it
_MISSING = frozenset({"", "nan", "na"})
_FOLDER = "Coronahack-Chest-XRay-Dataset"
_log = get_logger(__name__)


def read(root: Path) -> tuple[Example, ...]:
    """Read the metadata file and find its pictures in ``train`` and ``test``, at whatever depth the archive had them.

    The three classes exclude one another. Other joined labels, such as Pneumonia/SARS, are left out and counted in
    the log. The published parts become folds 0 (TRAIN) and 1 (TEST) when both hold all three classes; else no
    example has a fold, which is logged, and folds have to be dealt out. (The published TEST part has no COVID-19.)

    Raises
    ------
    DataError
        Naming the line: a column that is missing, an unknown label or part, a picture that is not there; or a class
        of the three without any picture.
    """
    path = _metadata(root)
    folders = {part: _pictures(root, part.lower()) for part in PARTS}
    examples: list[Example] = []
    owners: list[Owner] = []
    left_out: Counter[str] = Counter()
    for place, row in rows(path, COLUMNS, f"give the folder that holds {_METADATA}"):
        joined = _joined(place, row)
        if joined not in CLASSES:
            left_out[joined] += 1
            continue
        owner = owner_of(Path(row["X_ray_image_name"]).stem)
        owners.append(owner)
        examples.append(_example(place, row, folders, owner, CLASSES[joined]))
    refuse_duplicates(examples, path.name)
    if left_out:
        _log.warning("pictures with other labels are left out", count=left_out.total(), reason=", ".join(left_out))
    warn_of_unknown(owners, "coronahack")
    return _with_folds(examples, path.name)


def _metadata(root: Path) -> Path:
    if (root / _METADATA).is_file():
        return root / _METADATA
    found = sorted(root.glob("*.csv"))
    if len(found) != 1:
        raise DataError(f"{root / _METADATA} is missing: give the folder that holds it")
    return found[0]


def _pictures(root: Path, part: str) -> Path | None:
    candidates = (root / part, root / _FOLDER / part, root / _FOLDER / _FOLDER / part)
    return next((folder for folder in candidates if folder.is_dir()), None)


def _joined(place: str, row: Mapping[str, str]) -> str:
    label = _LABELS.get(row["Label"].lower())
    if label is None:
        raise DataError(f'{place}: unknown Label "{row["Label"]}": write Normal or Pneumonia')
    virus = row["Label_2_Virus_category"]
    return f"{label}/{'NA' if virus.lower() in _MISSING else virus}"


def _example(place: str, row: Mapping[str, str], folders: Mapping[str, Path | None], owner: Owner, own: str) -> Example:
    name, part = row["X_ray_image_name"], row["Dataset_type"]
    if part not in folders:
        raise DataError(f'{place}: unknown Dataset_type "{part}": write TRAIN or TEST')
    folder = folders[part]
    if folder is None or Path(name).name != name or not (folder / name).is_file():
        raise DataError(f"{place}: the picture {name} is not in the folder {part.lower()}: put it there")
    return Example(
        file=f"{part.lower()}/{name}",
        path=folder / name,
        patient=owner.patient,
        source="coronahack",
        fold=PARTS[part],
        truths={label: label == own for label in CLASSES.values()},
    )


def _with_folds(examples: list[Example], name: str) -> tuple[Example, ...]:
    """Keep the published parts as folds where each has every class."""
    homes: dict[str, set[int | None]] = defaultdict(set)
    for example in examples:
        homes[next(label for label, true in example.truths.items() if true)].add(example.fold)
    for joined, label in CLASSES.items():
        if not homes[label]:
            raise DataError(f"{name} has no picture of the class {joined}: all of {', '.join(CLASSES)} are needed")
    lacking = [joined for joined, label in CLASSES.items() if len(homes[label]) < len(PARTS)]
    if not lacking:
        return tuple(examples)
    _log.warning("a published part lacks a class: deal out folds", reason=", ".join(lacking))
    return tuple(replace(example, fold=None) for example in examples)

"""NIH ChestX-ray14 as it was released: ``Data_Entry_2017*.csv``, ``BBox_List_2017.csv`` and PNG files of 1024 pixels.

Source: Wang et al. 2017, "ChestX-ray8", and the release's own README.
"""

from pathlib import Path

from config.errors import DataError
from config.logs import get_logger
from training.data.csv_rows import checked_box, number, refuse_duplicates, rows
from training.data.examples import Example, TruthBox, View
from training.data.headers import age_in_years
from training.data.terms import BOX_LABELS, NIH_CONDITIONS, NIH_NO_FINDING, mined_truths

SIDE = 1024
"""Width and height of the released pictures, in whose pixels the boxes are; a smaller copy has the same fractions."""
_ENTRY = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "View Position")
_SEX = ("Patient Gender", "Patient Sex")
_BOXES = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
"""One column named ``Bbox [x,y,w,h]`` that nobody quoted, so a CSV reader sees four."""
_ENDINGS = (".png", ".jpg", ".jpeg")
_SOURCE = "bbox2017"
_log = get_logger(__name__)


def read(root: Path) -> tuple[Example, ...]:
    """Read the labels that were mined from reports, and the boxes that a radiologist drew in some 880 pictures.

    Pictures are looked for below ``root`` at any depth (``images/``, ``images_001/images/`` ...), also as JPEG. The
    release is large and often held in part: rows without a picture are left out and counted in the log. A condition
    counts as completely boxed in a picture where the radiologist drew boxes of it.

    Raises
    ------
    DataError
        Naming the line: a missing file or column, an unknown label or view, a box outside its picture, or a box for
        a picture that the entries do not have; or when none of the pictures is there.
    """
    entries = sorted(root.glob("Data_Entry_2017*.csv"))
    if len(entries) != 1:
        found = "is missing" if not entries else "is there twice"
        raise DataError(f"Data_Entry_2017*.csv {found} in {root}: give the folder that holds one")
    boxes = _read_boxes(root)
    pictures = {path.stem: path for ending in _ENDINGS for path in sorted(root.rglob(f"*{ending}"))}
    examples: list[Example] = []
    missing = 0
    for place, row in rows(entries[0], _ENTRY, "", optional=_SEX, same_length=False):
        name = row["Image Index"]
        mine = tuple(boxes.pop(name, ()))
        path = pictures.get(Path(name).stem)
        example = _example(place, row, path or root / name, mine)
        if path is None:
            missing += 1
        else:
            examples.append(example)
    if boxes:
        raise DataError(f"BBox_List_2017.csv names {min(boxes)}, which {entries[0].name} does not have: add its row")
    refuse_duplicates(examples, entries[0].name)
    if not examples:
        raise DataError(f"none of the pictures of {entries[0].name} is below {root}: unpack the archives there")
    if missing:
        _log.warning("pictures are missing and left out", count=missing, path=entries[0].name)
    return tuple(examples)


def _read_boxes(root: Path) -> dict[str, list[TruthBox]]:
    path = root / "BBox_List_2017.csv"
    boxes: dict[str, list[TruthBox]] = {}
    if not path.is_file():
        _log.warning("there is no list of boxes", path=path.name)
        return boxes
    for place, row in rows(path, _BOXES, "", same_length=False):
        label = row["Finding Label"]
        if label not in BOX_LABELS:
            raise DataError(f'{place}: unknown label "{label}": write one of {", ".join(sorted(BOX_LABELS))}')
        x, y, w, h = (number(place, column, row[column], float) / SIDE for column in _BOXES[2:])
        box = checked_box(place, TruthBox(BOX_LABELS[label], x, y, w, h, _SOURCE))
        boxes.setdefault(row["Image Index"], []).append(box)
    return boxes


def _example(place: str, row: dict[str, str], path: Path, boxes: tuple[TruthBox, ...]) -> Example:
    labels = frozenset(row["Finding Labels"].split("|"))
    unknown = sorted(labels - {*NIH_CONDITIONS, NIH_NO_FINDING})
    if unknown:
        known = ", ".join([*NIH_CONDITIONS, NIH_NO_FINDING])
        raise DataError(f'{place}: unknown label "{unknown[0]}": write one of {known}')
    if row["View Position"] not in {View.PA, View.AP}:
        raise DataError(f'{place}: unknown View Position "{row["View Position"]}": write PA or AP')
    sex = row[_SEX[0]] or row[_SEX[1]]
    return Example(
        file=row["Image Index"],
        path=path,
        patient=f"{number(place, 'Patient ID', row['Patient ID'], int):08d}",
        source="nih",
        view=View(row["View Position"]),
        age=age_in_years(row["Patient Age"].upper()),
        sex=sex if sex in {"M", "F"} else "",
        licence="NIH ChestX-ray14, attribution",
        truths=mined_truths(labels),
        boxes=boxes,
        boxed=frozenset(box.label for box in boxes),
    )

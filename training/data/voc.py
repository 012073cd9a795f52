"""LabelImg's files: a picture and a Pascal VOC XML beside it, boxes in whole pixels.

What the layout has no place for (patient, fold, view, what is known without a box ...) stands in an element of our
own, ``<cxrnode>``, which other tools pass over. LabelImg drops it when a person saves the file there: the picture's
patient then follows from its name alone.
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

from config.errors import DataError
from config.logs import get_logger
from training.data.csv_rows import checked_box, choice, number, refuse_duplicates
from training.data.examples import Example, TruthBox, View
from training.data.image_files import size
from training.data.label_map import FILE, read_label_map, write_label_map
from training.data.patients import Owner, owner_of, warn_of_unknown
from training.data.portable import PortablePicture, portable, portable_name
from training.data.terms import term
from training.data.whole_folder import whole_folder

_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".dcm")
_UNKNOWN_SOURCES = frozenset({"", "Unknown"})  # what LabelImg writes there
_OWN = "cxrnode"
_log = get_logger(__name__)


def read(root: Path) -> tuple[Example, ...]:
    """Read every XML file below ``root`` with its picture (beside it, or in an ``images`` folder next to its own).

    LabelImg has no labels without boxes: of each picture a label is true where a box of it is drawn and false where
    none is, and all boxes count as drawn, unless a file's ``<cxrnode>`` element says otherwise. Where a
    ``label_map.pbtxt`` lies in ``root``, no other labels are taken. Pictures without an XML file are left out and
    counted in the log.

    Raises
    ------
    DataError
        Naming the file: one that is no annotation, a picture that is missing or of another size, an unknown label,
        a box outside its picture, or a label without a name.
    """
    files = sorted(root.rglob("*.xml"))
    if not files:
        raise DataError(f"{root} holds no XML files: give the folder that LabelImg saved into")
    allowed = frozenset(read_label_map(root / FILE).values()) if (root / FILE).is_file() else None
    sheets = [_read_sheet(path, root, allowed) for path in files]
    labels = {box.label for sheet in sheets for box in sheet.boxes} | {term(name) for name in allowed or ()}
    if not labels:
        raise DataError(f"no XML file in {root} has a box: draw some in LabelImg first")
    examples = tuple(_example(sheet, root, labels) for sheet in sheets)
    refuse_duplicates(examples, str(root))
    pictures = {path for ending in _ENDINGS for path in root.rglob(f"*{ending}")}
    bare = len(pictures - {sheet.picture for sheet in sheets})
    if bare:
        _log.warning("pictures without an XML file are left out", count=bare)
    warn_of_unknown([_owner(sheet) for sheet in sheets if "patient" not in sheet.own], "voc")
    return examples


def write(
    examples: Iterable[Example],
    out: Path,
    labels: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _count: None,
) -> tuple[str, ...]:
    """Write pictures, their XML files and a ``label_map.pbtxt`` into a new folder, as a whole or not at all.

    Parameters
    ----------
    examples
        JPEG and PNG files are copied as they are; DICOM files become PNG through the node's pixel pipeline.
    out
        The folder; it must not be there yet, or be empty.
    labels
        Which labels' boxes to write, in the order of their class numbers; all that there are without it.
    progress
        Called with the number of pictures written so far.

    Returns
    -------
    The labels, in that order.

    Raises
    ------
    DataError
        When a label has no box, a picture cannot be read, or the folder cannot be written.
    """
    examples, labels = with_labels(examples, labels)
    with whole_folder(out) as folder:
        write_label_map(folder / FILE, labels)
        for count, example in enumerate(examples, 1):
            picture = portable(example.path)
            name = portable_name(example.file, picture.ending)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise DataError(f"{example.file} and another picture would both be {name}: rename one of them")
            path.write_bytes(picture.encoded)
            sheet = _to_xml(example, Path(name), picture)
            path.with_suffix(".xml").write_text(sheet, encoding="utf-8")
            progress(count)
    return labels


def with_labels(examples: Iterable[Example], labels: Sequence[str] = ()) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """Return the examples with the boxes of these labels alone, and the labels in the order of their class numbers.

    Without ``labels`` all boxes stay, and their labels are numbered by name. Raises :class:`DataError` for a label
    that no box has.
    """
    examples = tuple(examples)
    there = {box.label for example in examples for box in example.boxes}
    missing = [label for label in labels if label not in there]
    if missing or not there:
        wanted = missing[0] if missing else "any label"
        raise DataError(f"there is no box of {wanted}: the boxes' labels are {', '.join(sorted(there)) or 'none'}")
    if not labels:
        return examples, tuple(sorted(there))
    return tuple(
        replace(
            example,
            boxes=tuple(box for box in example.boxes if box.label in labels),
            boxed=example.boxed & frozenset(labels),
        )
        for example in examples
    ), tuple(dict.fromkeys(labels))


# --- reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One XML file, read."""

    path: Path
    picture: Path
    boxes: tuple[TruthBox, ...]
    own: Mapping[str, str]
    """The texts of our own element, by tag."""
    truths: Mapping[str, bool]
    lists: Mapping[str, frozenset[str]]


def _read_sheet(path: Path, root: Path, allowed: frozenset[str] | None) -> _Sheet:
    place = path.relative_to(root).as_posix()
    sheet = _parse(path, place)
    picture = _picture_of(path, sheet.findtext("filename", ""), place)
    rows, columns = size(picture)
    stated = (sheet.findtext("size/height", ""), sheet.findtext("size/width", ""))
    if any(stated) and stated != (str(rows), str(columns)):
        raise DataError(
            f"{place}: says {stated[1]} x {stated[0]} pixels, but {picture.name} has {columns} x {rows}: "
            "the boxes belong to another copy of the picture"
        )
    drawn = sheet.findtext("source/annotation", "").strip()
    boxes = []
    for count, element in enumerate(sheet.iter("object"), 1):
        at = f"{place} object {count}"
        name = element.findtext("name", "").strip()
        if not term(name):
            raise DataError(f'{at}: the label "{name}" makes no term: name the box in LabelImg')
        if allowed is not None and name not in allowed:
            raise DataError(
                f'{at}: unknown label "{name}": write one of {", ".join(sorted(allowed))} or add it to {FILE}'
            )
        left, top, right, bottom = (
            number(at, side, element.findtext(f"bndbox/{side}", ""), float) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        source = element.findtext("source", "" if drawn in _UNKNOWN_SOURCES else drawn).strip()
        box = TruthBox(term(name), left / columns, top / rows, (right - left) / columns, (bottom - top) / rows, source)
        boxes.append(checked_box(at, box))
    own = sheet.find(_OWN)
    texts: dict[str, str] = {}
    truths: dict[str, bool] = {}
    lists: dict[str, frozenset[str]] = {}
    if own is not None:
        texts = {child.tag: (child.text or "").strip() for child in own if child.tag != "truth"}
        truths = {child.get("label", ""): child.text == "yes" for child in own.iter("truth")}
        lists = {tag: frozenset(texts.pop(tag, "").split()) for tag in ("read", "boxed")}
    return _Sheet(path, picture, tuple(boxes), texts, truths, lists)


def _parse(path: Path, place: str) -> ET.Element:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if "<!" in text.replace("<!--", ""):
            raise DataError(f"{place}: has a document type, which LabelImg never writes: remove it")
        sheet = ET.fromstring(text)  # noqa: S314 - without a document type there is no entity to expand
    except (UnicodeDecodeError, ET.ParseError) as error:
        raise DataError(f"{place}: is no XML ({error}): save it again in LabelImg, or remove it") from None
    if sheet.tag != "annotation":
        raise DataError(f"{place}: is no annotation of LabelImg: remove it from the folder")
    return sheet


def _picture_of(path: Path, name: str, place: str) -> Path:
    """Return the picture that an XML file is about; what it says of folders is another machine's."""
    names = [Path(name.replace("\\", "/")).name] if name else []
    names += [path.stem + ending for ending in _ENDINGS]
    for folder in (path.parent, path.parent.parent / "images"):
        for one in names:
            if (folder / one).is_file():
                return folder / one
    raise DataError(f"{place}: the picture {names[0]} is not beside it: put it there or remove the XML file")


def _owner(sheet: _Sheet) -> Owner:
    return owner_of(sheet.picture.stem)


def _example(sheet: _Sheet, root: Path, labels: Iterable[str]) -> Example:
    place = sheet.path.relative_to(root).as_posix()
    file, own = sheet.picture.relative_to(root).as_posix(), sheet.own
    owner = _owner(sheet)
    shown = {box.label for box in sheet.boxes}
    return Example(
        file=own.get("file") or file,
        path=sheet.picture,
        patient=own.get("patient") or (owner.patient if owner.known else file),
        source=own.get("source", ""),
        fold=number(place, "fold", own["fold"], int) if own.get("fold") else None,
        view=choice(place, "view", own.get("view") or View.UNKNOWN, View),
        age=number(place, "age", own["age"], float) if own.get("age") else None,
        sex=own.get("sex", ""),
        licence=own.get("licence", ""),
        truths=sheet.truths if own else {label: label in shown for label in sorted(labels)},
        read=sheet.lists.get("read", frozenset()),
        boxes=sheet.boxes,
        boxed=sheet.lists["boxed"] if own else frozenset(labels),
    )


# --- writing -----------------------------------------------------------------------------------------------------


def _to_xml(example: Example, name: Path, picture: PortablePicture) -> str:
    rows, columns = picture.rows, picture.columns
    drawn = ", ".join(dict.fromkeys(box.source for box in example.boxes if box.source)) or "Unknown"
    objects = "".join(_object(box, rows, columns) for box in example.boxes)
    return (
        f"<annotation>\n\t<folder>{escape(name.parent.name or 'pictures')}</folder>\n"
        f"\t<filename>{escape(name.name)}</filename>\n\t<path>{escape(name.as_posix())}</path>\n"
        f"\t<source>\n\t\t<database>{escape(example.source or 'Unknown')}</database>\n"
        f"\t\t<annotation>{escape(drawn)}</annotation>\n\t</source>\n"
        f"\t<size>\n\t\t<width>{columns}</width>\n\t\t<height>{rows}</height>\n\t\t<depth>{picture.channels}</depth>\n\t</size>\n"
        f"\t<segmented>0</segmented>\n{objects}{_own_element(example)}</annotation>\n"
    )


def _object(box: TruthBox, rows: int, columns: int) -> str:
    left, right = _pixels(box.x, box.w, columns)
    top, bottom = _pixels(box.y, box.h, rows)
    sides = zip(("xmin", "ymin", "xmax", "ymax"), (left, top, right, bottom), strict=True)
    inner = "".join(f"\t\t\t<{side}>{value}</{side}>\n" for side, value in sides)
    return (
        f"\t<object>\n\t\t<name>{escape(box.label)}</name>\n\t\t<pose>Unspecified</pose>\n"
        f"\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n\t\t<source>{escape(box.source)}</source>\n"
        f"\t\t<bndbox>\n{inner}\t\t</bndbox>\n\t</object>\n"
    )


def _pixels(start: float, length: float, side: int) -> tuple[int, int]:
    """Return a box's two edges in whole pixels, at least one apart; from 1, because readers subtract it."""
    first = min(max(1, math.floor(start * side + 0.5)), side - 1)
    return first, min(side, max(first + 1, math.floor((start + length) * side + 0.5)))


def _own_element(example: Example) -> str:
    texts = {
        "file": example.file,
        "patient": example.patient,
        "source": example.source,
        "fold": "" if example.fold is None else str(example.fold),
        "view": example.view.value,
        "age": "" if example.age is None else f"{example.age:g}",
        "sex": example.sex,
        "licence": example.licence,
        "read": " ".join(sorted(example.read)),
        "boxed": " ".join(sorted(example.boxed)),
    }
    lines = [f"\t\t<{tag}>{escape(text)}</{tag}>\n" for tag, text in texts.items() if text]
    lines += [
        f'\t\t<truth label="{label}">{"yes" if true else "no"}</truth>\n' for label, true in example.truths.items()
    ]
    return f"\t<{_OWN}>\n{''.join(lines)}\t</{_OWN}>\n"

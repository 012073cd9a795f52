"""``label_map.pbtxt``: the class numbers of TensorFlow's object-detection tools, from 1."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from config.errors import DataError

FILE = "label_map.pbtxt"
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_ITEM = re.compile(r"item\s*:?\s*\{([^{}]*)\}")
_NAME = re.compile(r"""\bname\s*:\s*(?:"([^"]*)"|'([^']*)')""")
_ID = re.compile(r"\bid\s*:\s*(\d+)")


def write_label_map(path: Path, labels: Sequence[str]) -> None:
    """Write labels, numbered from 1 in their order."""
    items = (f'item {{\n  id: {number}\n  name: "{label}"\n}}\n' for number, label in enumerate(labels, 1))
    path.write_text("".join(items), encoding="utf-8")


def read_label_map(path: Path) -> Mapping[int, str]:
    """Return the labels by number, as the file spells them.

    Raises
    ------
    DataError
        When the file is missing, is no label map, or gives a number or a name twice.
    """
    try:
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: it numbers the classes, add it") from None
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8 text: save it as UTF-8") from None
    labels: dict[int, str] = {}
    for item in _ITEM.finditer(text):
        line = text.count("\n", 0, item.start()) + 1
        name, number = _NAME.search(item[1]), _ID.search(item[1])
        if name is None or number is None or int(number[1]) < 1:
            raise DataError(f"{path.name} line {line}: an item needs a name and an id of 1 or more: add them")
        label = name[1] or name[2] or ""
        if int(number[1]) in labels or label in labels.values():
            raise DataError(f"{path.name} line {line}: {label} or its id is there twice: number each name once")
        labels[int(number[1])] = label
    if not labels or _ITEM.sub("", text).strip():
        raise DataError(f'{path.name} is no label map: write items such as item {{ id: 1 name: "lung_opacity" }}')
    return labels

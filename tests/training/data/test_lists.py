"""Published lists: only their pictures, only their labels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from config.errors import DataError
from training.data.examples import Example, TruthBox
from training.data.lists import restrict

BOX = TruthBox("lung_opacity", 0, 0, 1, 1)
KNOWN: dict[str, Any] = {"truths": {"normal": True}, "read": frozenset({"normal"}), "boxes": (BOX,)}
EXAMPLES = [Example(f"{name}.jpg", Path(f"{name}.jpg"), name, fold=2, **KNOWN) for name in "abc"]


def _list(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(text, "utf-8")
    return path


def test_a_list_gives_exclusive_labels_and_keeps_patients_folds_and_boxes(tmp_path: Path) -> None:
    path = _list(tmp_path, "name,label,file\nx,covid19,c.jpg\ny,no_finding,a.jpg\n")
    first, second = restrict(EXAMPLES, path)
    assert (first.file, first.truths) == ("a.jpg", {"covid19": False, "no_finding": True})
    assert (second.file, second.truths) == ("c.jpg", {"covid19": True, "no_finding": False})
    assert (first.patient, first.fold, first.boxes, first.read) == ("a", 2, (BOX,), frozenset())


def test_pictures_that_are_not_to_be_had_are_counted_and_left_out(tmp_path: Path) -> None:
    path = _list(tmp_path, "label,file\ncovid19,a.jpg\nnormal,b.jpg\nnormal,\nnormal,\n")
    with structlog.testing.capture_logs() as logs:
        assert len(restrict(EXAMPLES, path)) == 2
    assert [(entry["event"], entry["count"]) for entry in logs] == [("listed pictures are missing", 2)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("label,file\ncovid19,d.jpg\n", r"list\.csv line 2: the data set has no picture d\.jpg"),
        ("label,file\nx,a.jpg\nx,a.jpg\n", r"line 3: a\.jpg is listed a second time"),
        ("label,file\nCOVID-19,a.jpg\n", r'line 2: the label "COVID-19" is no term'),
        ("label,file\nx,a.jpg\nx,b.jpg\n", "fewer than two labels"),
        ("class,file\nx,a.jpg\n", "line 1 has no column label"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        restrict(EXAMPLES, _list(tmp_path, text))


def test_a_missing_list_is_named(tmp_path: Path, manifest: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"none\.csv is missing: give a CSV file"):
        restrict(EXAMPLES, tmp_path / "none.csv")

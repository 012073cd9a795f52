"""Which pictures are measured on: new patients unless one insists, and then it is said loudly."""

import base64
import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError, PackageError
from inference.package import load_package
from training.data.examples import Example, View
from training.evaluation.evaluate import Choice, choose
from training.evaluation.record import Record, marks, record_of, salt_of

COLUMNS = ("file", "source", "patient", "fold", "view", "age", "sex", "nih_labels", "rsna_class", "covid_finding",
           "width", "height", "licence")  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten rows, two a fold, one of them lateral and one a child's."""
    (tmp_path / "images").mkdir()
    rows = []
    for number in range(10):
        values: dict[str, Any] = dict.fromkeys(COLUMNS, "")
        values |= {
            "file": f"{'away/' if number == 9 else ''}{number}.jpg", "source": "nih", "patient": f"p{number}",
            "fold": number // 2, "view": "L" if number == 1 else "PA", "age": 9 if number == 3 else 50,
            "rsna_class": "Normal" if number % 2 else "Lung Opacity", "width": 10, "height": 10,
        }  # fmt: skip
        rows.append(values)
        (tmp_path / "images" / values["file"]).parent.mkdir(exist_ok=True)
        (tmp_path / "images" / values["file"]).write_bytes(b"x")
    with (tmp_path / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "boxes.csv").write_text("file,label,x,y,w,h,source\n")
    (tmp_path / "list.csv").write_text("file,label\n0.jpg,covid19\n2.jpg,no_finding\n")
    return tmp_path


def _record(**changes: Any) -> Record:
    parts = {"training": {"folds": [2, 3, 4]}, "validation": {"folds": [1]}, "test": {"folds": [0]}}
    return Record.of({"protocol": {"parts": parts}, "recipe": {"data": changes}})


def _files(examples: tuple[Example, ...]) -> list[str]:
    return [example.file for example in examples]


def test_without_a_word_only_new_patients_are_measured_on(data: Path) -> None:
    assert _files(choose(_record(), Choice(data))) == ["0.jpg"]  # of fold 0 one is lateral, which no node analyses


def test_a_fold_or_everything_can_be_asked_for_and_is_marked(data: Path) -> None:
    record = _record()
    fold = choose(record, Choice(data, fold=2))
    assert _files(fold) == ["4.jpg", "5.jpg"]
    assert [record.part_of(one) for one in fold] == ["training", "training"]
    every = choose(record, Choice(data, everything=True))
    assert len(every) == 8
    assert [record.part_of(one) for one in every].count("validation") == 1


def test_lateral_views_and_children_can_be_asked_for(data: Path) -> None:
    assert len(choose(_record(), Choice(data, everything=True, any_view=True))) == 10


def test_a_place_kept_apart_comes_with_any_fold(data: Path) -> None:
    assert _files(choose(_record(kept_apart=["away/"]), Choice(data, fold=2))) == ["4.jpg", "5.jpg", "away/9.jpg"]


def test_a_list_gives_pictures_and_labels(data: Path) -> None:
    listed = choose(_record(list="list.csv"), Choice(data, everything=True))
    assert [dict(one.truths) for one in listed] == [
        {"covid19": True, "no_finding": False}, {"covid19": False, "no_finding": True},
    ]  # fmt: skip
    assert len(choose(_record(list="list.csv"), Choice(data, everything=True, list=""))) == 8
    assert len(choose(_record(list="elsewhere.csv"), Choice(data, everything=True))) == 8
    with pytest.raises(DataError):
        choose(_record(), Choice(data, list="elsewhere.csv"))


def test_nothing_left_says_why(data: Path) -> None:
    with pytest.raises(DataError, match="fold 7 has no picture; the data have folds 0, 1, 2, 3, 4"):
        choose(_record(), Choice(data, fold=7))
    dealt = _record(folds=5)  # folds of its own and no marks: nobody can tell, so suppose the worst
    with pytest.raises(DataError, match="--all"):
        choose(dealt, Choice(data))


def test_marks_know_a_patient_whatever_the_fold(data: Path) -> None:
    parts = {
        "training": {"folds": [0], "patient_marks": marks(["p4", "p5"], b"salt")},
        "validation": {"folds": [0], "patient_marks": marks(["p6"], b"salt")},
        "kept_apart": {"folds": [0], "patient_marks": marks(["p0"], b"salt")},
    }
    made = {"salt": b"salt".hex(), "bytes": 8}
    record = Record.of({"protocol": {"marks": made, "parts": parts}, "recipe": {"data": {"folds": 5}}})

    asked = [record.part_of(_example(name)) for name in ("p4", "p6", "p0", "new")]
    assert asked == ["training", "validation", "", ""]
    assert "p4" not in json.dumps(parts)
    salted = {"salt": b"another".hex(), "bytes": 8}
    part = {"training": {"patient_marks": marks(["new"], b"another")}}
    other = Record.of({"protocol": {"marks": salted, "parts": part}})
    assert record.joined(other).part_of(_example("new")) == "training"
    assert record.joined(other).part_of(_example("p6")) == "validation"


def _example(patient: str, fold: int = 0) -> Example:
    return Example(file="x", path=Path("x"), patient=patient, fold=fold, view=View.PA)


def test_marks_of_one_package_are_not_those_of_another_and_long_enough_for_any_data_set() -> None:
    many = [f"{number:08d}" for number in range(20_000)]
    one = salt_of("one", many)
    assert one == salt_of("one", reversed(many)) != salt_of("other", many)
    assert salt_of("one", many[1:]) != one
    first, second = (base64.b64decode(marks(many[:1], salt)) for salt in (one, salt_of("other", many)))
    assert first != second
    assert len(base64.b64decode(marks(many, one))) == 8 * len(many)


def test_a_package_without_marks_cannot_tell_whom_it_learnt_from(data: Path) -> None:
    forgets = _record(remember_patients=False, folds=5)
    asked = choose(forgets, Choice(data))
    assert len(asked) == 8
    assert {forgets.part_of(one) for one in asked} == {"unknown"}
    own_folds = _record(remember_patients=False)  # where folds are the data set's own, the worst is supposed of them
    assert [own_folds.part_of(_example("p", fold)) for fold in (4, 1, 0)] == ["training", "validation", "unknown"]
    made = {"marks": {"salt": b"salt".hex(), "bytes": 8}}
    remembers = Record.of({"protocol": {**made, "parts": {"training": {"patient_marks": marks(["p4"], b"salt")}}}})
    both = forgets.joined(remembers)
    assert (both.part_of(_example("p4")), both.part_of(_example("p0"))) == ("training", "unknown")


@pytest.mark.parametrize(
    "content",
    [
        b'{"protocol": ', b"\xff", b"[]", b'{"protocol": []}', b'{"protocol": {"parts": {"training": 3}}}',
        b'{"protocol": {"parts": {"training": {"folds": [[]]}}}}',
        b'{"protocol": {"parts": {"training": {"patient_marks": "%%%"}}}}',
        b'{"test": {"boxes": {"lung_opacity": {"rsna_map": {}}}}}',
    ],
)  # fmt: skip
def test_figures_that_are_broken_are_said_to_be_and_what_to_do(tmp_path: Path, content: bytes) -> None:
    package = load_package("chest-default").members[0]
    (tmp_path / "figures.json").write_bytes(content)
    with pytest.raises(PackageError, match=r"chest-default-1 .*: figures\.json is broken, .*install the package again"):
        record_of(replace(package, folder=tmp_path))


def test_the_built_in_package_remembers_whose_pictures_it_was_made_from() -> None:
    record = record_of(load_package("chest-default"))
    public = {"00000030": "training", "00000165": "training", "00000061": "test", "of another hospital": ""}
    parts = {patient: record.part_of(Example(file="x", path=Path("x"), patient=patient, fold=2)) for patient in public}
    assert parts == public

"""The manifest: what is known, what is unknown, and every way in which it can be wrong."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from training.data.examples import Example, TruthBox
from training.data.readers import open_data

READS = {"normal", "not_normal", "lung_opacity"}
Write = Callable[..., Path]


def _by_file(root: Path) -> dict[str, Example]:
    return {example.file: example for example in open_data(root, "manifest")}


def test_a_radiologists_read_makes_three_exclusive_labels_known(manifest: Write) -> None:
    example = _by_file(manifest())["rsna/02.jpg"]
    assert {label: example.truths[label] for label in READS} == {
        "normal": False,
        "not_normal": False,
        "lung_opacity": True,
    }
    assert example.read == READS
    assert example.boxes == (TruthBox("lung_opacity", 0.1, 0.2, 0.3, 0.4, "rsna"),)


def test_mined_labels_make_all_fourteen_known_but_not_read(manifest: Write) -> None:
    example = _by_file(manifest())["nih/03.jpg"]
    assert len(example.truths) == 15
    assert [label for label, true in example.truths.items() if true] == ["mass"]
    assert not example.read


def test_a_picture_read_without_opacity_has_no_box_and_is_boxed(manifest: Write) -> None:
    example = _by_file(manifest())["nih/00.jpg"]
    assert (example.boxes, example.boxed) == ((), {"lung_opacity"})


def test_the_box_lists_infiltrate_is_the_label_infiltration(manifest: Write) -> None:
    example = _by_file(manifest())["nih/03.jpg"]
    assert [box.label for box in example.boxes] == ["infiltration"]
    assert example.boxed == {"infiltration"}


@pytest.mark.parametrize(
    ("number", "truths"),
    [
        (4, {"covid19": True}),
        (5, {"covid19": False, "pneumonia": True, "no_finding": False}),
        (6, {"covid19": False, "pneumonia": False, "no_finding": True}),
        (7, {}),
    ],
)
def test_a_stated_diagnosis_says_no_more_than_it_says(manifest: Write, number: int, truths: dict[str, bool]) -> None:
    assert dict(_by_file(manifest())[f"ieee8023/0{number}.jpg"].truths) == truths


def _set(row: int, **values: Any) -> Callable[[list[dict[str, Any]], list[dict[str, Any]]], None]:
    return lambda rows, _boxes: rows[row].update(values)


def _set_box(**values: Any) -> Callable[[list[dict[str, Any]], list[dict[str, Any]]], None]:
    return lambda _rows, boxes: boxes[0].update(values)


def _drop_column(rows: list[dict[str, Any]], _boxes: list[dict[str, Any]]) -> None:
    for row in rows:
        del row["patient"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set(1, file="nih/none.jpg"), r"manifest\.csv line 3: the picture none\.jpg is not in"),
        (_set(1, nih_labels="Effusion|Measles"), r'line 3: unknown label "Measles": write one of'),
        (_set(2, rsna_class="Cloudy"), r'line 4: unknown rsna_class "Cloudy": write one of'),
        (_set(4, covid_finding="Plague"), r'line 6: unknown covid_finding "Plague": write one of'),
        (_set(0, view="oblique"), r'line 2: unknown view "oblique"'),
        (_set(0, fold="first"), r'line 2: column fold holds "first": write a number'),
        (_set(0, age="nan"), r'line 2: column age holds "nan": write a finite number'),
        (_set(0, patient=""), r"line 2: the patient is empty: give each patient a key"),
        (_set(0, patient="11"), r"the patient of nih/11\.jpg is both in fold 0 and in fold 1"),
        (lambda rows, _boxes: rows.append(dict(rows[0])), r"names nih/00\.jpg twice: remove one"),
        (_drop_column, r"manifest\.csv line 1 has no column patient: name its columns file, source"),
        (_set_box(x=0.9), r"boxes\.csv line 2: the box is outside the picture"),
        (_set_box(w=0), r"boxes\.csv line 2: the box has no area"),
        (_set_box(h="tall"), r'boxes\.csv line 2: column h holds "tall": write a number'),
        (_set_box(label="Smudge"), r'boxes\.csv line 2: unknown label "Smudge": write one of'),
        (_set_box(file="nih/none.jpg"), r"boxes\.csv names nih/none\.jpg, which manifest\.csv does not have"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_cure(
    manifest: Write, change: Callable[..., None], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        open_data(manifest(change), "manifest")


def test_a_missing_file_a_broken_line_and_another_encoding_are_named(manifest: Write) -> None:
    root = manifest()
    text = (root / "manifest.csv").read_text("utf-8")
    (root / "manifest.csv").write_text(text + "too,short\n", "utf-8")
    with pytest.raises(DataError, match=r"manifest\.csv line 42: not as many values as columns"):
        open_data(root, "manifest")
    (root / "manifest.csv").write_bytes(text.encode("utf-16"))
    with pytest.raises(DataError, match=r"manifest\.csv is not UTF-8 text"):
        open_data(root, "manifest")
    (root / "boxes.csv").unlink()
    with pytest.raises(DataError, match=r"boxes\.csv is missing: give the folder"):
        open_data(root, "manifest")
    with pytest.raises(DataError, match="is no folder"):
        open_data(root / "nowhere", "manifest")


@pytest.mark.data
def test_the_real_manifest_has_what_its_readme_counts(cxr_data: Path) -> None:
    examples = open_data(cxr_data, "manifest")
    assert (len(examples), len({example.patient for example in examples})) == (3926, 2973)
    boxes = Counter(box.label for example in examples for box in example.boxes)
    assert (boxes["lung_opacity"], boxes.total()) == (662, 712)
    assert Counter(example.truths.get("covid19") for example in examples)[True] == 366
    assert sum("lung_opacity" in example.boxed for example in examples) == 408 + 586 + 545

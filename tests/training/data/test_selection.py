"""Which pictures a recipe uses, and why not others."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.errors import DataError
from training.data.examples import View
from training.data.manifest import read
from training.data.selection import cut_down, select_examples
from training.recipe.recipe import Recipe

RECIPE = Recipe.model_validate(
    {
        "maps": ["lung_opacity"],
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "network": {"side": 96},
        "heads": [
            {"name": "reads", "activation": "softmax", "classes": ["normal", "not_normal", "lung_opacity"]},
            {"name": "conditions", "activation": "sigmoid", "classes": ["infiltration", "no_finding"]},
        ],
        "findings": [{"label": "lung_opacity", "head": "reads", "heat": True, "boxes": True}],
        "quick": {"pictures": 4},
    }
)


def _with(table: str, **values: object) -> Recipe:
    return RECIPE.model_copy(update={table: getattr(RECIPE, table).model_copy(update=values)})


def test_folds_of_the_data_set_become_the_parts(write_data) -> None:  # type: ignore[no-untyped-def]
    selection = select_examples(RECIPE, write_data())
    assert {example.fold for example in selection.split.test} == {0}
    assert {example.fold for example in selection.split.validation} == {1}
    assert {example.fold for example in selection.split.training} == {2, 3, 4}
    assert selection.left_out == {}


def test_laterals_children_and_unknown_views_are_left_out_and_counted(write_data) -> None:  # type: ignore[no-untyped-def]
    def change(rows, boxes) -> None:  # type: ignore[no-untyped-def]
        rows[-1]["view"], rows[-2]["age"], rows[-9]["view"] = View.LATERAL, "9", "?"

    selection = select_examples(RECIPE, write_data(change, per_class=4))
    assert selection.left_out == {"below 18 years": 1, "lateral view": 1, "view unknown": 1}


def test_a_place_kept_apart_is_in_no_part_with_all_pictures_of_its_patients(write_data) -> None:  # type: ignore[no-untyped-def]
    def change(rows, boxes) -> None:  # type: ignore[no-untyped-def]
        rows[1]["patient"] = rows[0]["patient"]

    root = write_data(change, per_class=4)
    first = read(root)[0]
    selection = select_examples(_with("data", kept_apart=(first.file,)), root)
    assert [one.file for one in selection.kept_apart] == [first.file]
    split = selection.split
    assert first.patient not in {one.patient for one in (*split.training, *split.validation, *split.test)}


def test_only_pictures_of_the_labels_asked_for(write_data) -> None:  # type: ignore[no-untyped-def]
    selection = select_examples(_with("data", only=("normal", "not_normal", "lung_opacity")), write_data())
    assert selection.left_out == {"none of the labels that the recipe asks for": 10}
    assert all(example.read for example in selection.split.training)


def test_what_is_known_to_be_absent_has_no_box(write_data) -> None:  # type: ignore[no-untyped-def]
    mass = _with("data", only=("no_finding", "infiltration"))
    mass = mass.model_copy(
        update={
            "maps": ("infiltration",),
            "findings": (RECIPE.findings[0].model_copy(update={"label": "infiltration", "head": "conditions"}),),
        }
    )
    for example in select_examples(mass, write_data()).split.training:
        assert ("infiltration" in example.boxed) == (example.truths["infiltration"] is False)


def test_a_part_without_a_class_is_refused_by_name(write_data) -> None:  # type: ignore[no-untyped-def]
    def change(rows, boxes) -> None:  # type: ignore[no-untyped-def]
        boxes[:] = [box for box in boxes if not box["file"].startswith("nih/0")] or boxes
        for row in rows:
            if row["fold"] == 0 and row["rsna_class"] == "Lung Opacity":
                row["rsna_class"] = "Normal"

    with pytest.raises(DataError, match="lung_opacity has no picture in the test part"):
        select_examples(RECIPE, write_data(change))


def test_dealt_folds_keep_patients_whole_or_only_pictures(write_data) -> None:  # type: ignore[no-untyped-def]
    def change(rows, boxes) -> None:  # type: ignore[no-untyped-def]
        for row in rows:
            row["patient"], row["fold"] = f"p{int(row['patient']) % 7}", 0

    root = write_data(change)
    by_patient = select_examples(_with("data", folds=3), root).split
    homes = [{one.patient for one in part} for part in (by_patient.training, by_patient.validation, by_patient.test)]
    assert not homes[0] & homes[1]
    assert not (homes[0] | homes[1]) & homes[2]
    by_image = select_examples(_with("data", folds=3, by="image"), root).split
    assert {one.patient for one in by_image.training} & {one.patient for one in by_image.test}


def test_a_quick_run_has_few_pictures_and_something_of_everything(write_data) -> None:  # type: ignore[no-untyped-def]
    whole = select_examples(RECIPE, write_data(per_class=4))
    few = cut_down(whole, RECIPE)
    for part in (few.split.training, few.split.validation, few.split.test):
        assert len(part) == 4
        assert any(example.truths.get("lung_opacity") for example in part)
        assert any(example.truths.get("normal") for example in part)
    assert replace(few, split=whole.split) == whole


def test_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder"):
        select_examples(RECIPE, tmp_path / "nothing")

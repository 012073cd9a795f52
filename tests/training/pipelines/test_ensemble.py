"""Networks that learnt from the same parts become one package; others are refused, and nothing is half written."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import DataError, PackageError
from inference.ensemble import draft
from inference.model import Model
from inference.package import FIGURES, EnsemblePackage, load_package, write_package
from training.calibration.logistic import Logistic
from training.calibration.scale import Calibration, Scale
from training.data.examples import Example, TruthBox
from training.data.image_files import read_picture
from training.data.selection import select_examples
from training.evaluation.predictions import Asked, FoundBox, Package, Predictions, Said
from training.networks import mobilenet
from training.packaging import export
from training.packaging.package_manifest import manifest
from training.packaging.run_protocol import protocol
from training.pipelines import ensemble
from training.pipelines.ensemble import (
    Names,
    make_ensemble,
    open_member,
    require_same_parts,
    require_unseen,
    with_points,
)
from training.recipe.recipe import Recipe

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:keras"
)

RECIPE: dict[str, Any] = {
    "maps": ["lung_opacity"],
    "package": {"name": "tiny", "version": "1.0.0", "title": "Tiny", "summary": "For tests."},
    "data": {"only": ["normal", "not_normal", "lung_opacity"]},
    "network": {"side": 64, "width": 8},
    "heads": [{"name": "reads", "activation": "softmax", "classes": ["normal", "not_normal", "lung_opacity"]}],
    "findings": [
        {"label": "lung_opacity", "head": "reads", "heat": True, "boxes": True},
        {"label": "normal", "head": "reads"},
    ],
}


@pytest.fixture(scope="module")
def weights() -> dict[str, bytes]:
    """One untrained network in both forms, for every member."""
    import keras

    keras.utils.set_random_seed(3)
    network = mobilenet.build(Recipe.model_validate(RECIPE))
    export.round_to_half(network)
    return {"model.keras": export.keras_bytes(network), "model.tflite": export.litert_bytes(network)}


@pytest.fixture
def data(write_data: Callable[..., Path]) -> Path:
    return write_data(per_class=3)


@pytest.fixture
def member(tmp_path: Path, weights: dict[str, bytes], data: Path) -> Callable[..., Path]:
    """A function that writes a member: a name, how it is calibrated, and what its recipe says differently."""

    def write(name: str, bias: float = 0.0, *, quick: bool = False, **settings: Any) -> Path:
        document = {**RECIPE, "package": {**RECIPE["package"], "name": name}}
        document["data"] = {**RECIPE["data"], **settings}
        recipe = Recipe.model_validate(document)
        scale = Scale(Logistic((1.0, 0.0), bias), 0.4, 0.6)
        planned = manifest(recipe, Calibration({"lung_opacity": scale, "normal": scale}))
        figures = {
            "recipe": recipe.model_dump(mode="json", by_alias=True),
            "protocol": protocol(recipe, select_examples(recipe, data), quick=quick),
        }
        files = {**weights, "card.md": b"# Tiny\n", FIGURES: json.dumps(figures).encode()}
        return write_package(tmp_path / name, planned, files).folder

    return write


def test_an_ensemble_is_made_measured_and_served(member: Callable[..., Path], data: Path, tmp_path: Path) -> None:
    folders = [member("low", -1.0), member("high", 2.0)]
    made = make_ensemble(tmp_path / "both", folders, data, names=Names("both", "2.0.0", "Both"))
    package = load_package(tmp_path / "both")
    assert isinstance(package, EnsemblePackage)
    assert package.manifest == made.package.manifest
    assert (package.manifest.name, package.manifest.version, package.manifest.title) == ("both", "2.0.0", "Both")
    assert [finding.label for finding in package.manifest.findings] == ["lung_opacity", "normal"]
    assert json.loads(package.path(FIGURES).read_text()) == made.figures
    assert [entry["name"] for entry in made.figures["members"]] == ["low", "high"]
    assert made.figures["members"][0]["fitted_on"] == {"pictures": 27, "patients": 27}
    assert made.figures["protocol"]["parts"]["test"]["folds"] == [0]
    measured = made.figures["test"]["findings"]
    for finding in package.manifest.findings:
        for name, point in measured[finding.label]["points"].items():
            assert point["threshold"] == getattr(finding.points, name)
    picture = read_picture(next((data / "images").rglob("*.jpg")))
    scores = [{one.label: one.score for one in Model.open(folder).findings(picture)} for folder in folders]
    for finding in Model.open(package).findings(picture):
        assert finding.score == pytest.approx(np.mean([score[finding.label] for score in scores]))
    assert "both 2.0.0" in package.path("card.md").read_text()


def test_names_come_from_the_members_where_none_are_given(member: Callable[..., Path]) -> None:
    opened = [open_member(member("one")), open_member(member("two"))]
    planned = ensemble._planned(opened, Names())
    assert (planned.name, planned.version, planned.title) == ("one-ensemble", "1.0.0", "Tiny")
    assert "one 1.0.0, two 1.0.0" in planned.summary


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"validation_fold": 2}, "fitted on different folds, 2, 3, 4 and 1, 3, 4"),
        ({"test_fold": 1, "validation_fold": 0}, "tuned on different folds, 1 and 0"),
        ({"test_fold": 2}, "fitted on different folds"),
        ({"kept_apart": ["nih/0000"]}, "data.kept_apart"),
        ({"folds": 5}, "data.folds is 0 in one recipe and 5 in the other"),
    ],
)
def test_members_with_other_parts_are_refused(
    member: Callable[..., Path], data: Path, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        make_ensemble(tmp_path / "both", [member("one"), member("two", **settings)], data)
    assert not (tmp_path / "both").exists()


def test_the_same_deal_is_the_same_parts_and_another_seed_is_not(member: Callable[..., Path]) -> None:
    one, two = (open_member(member(name, folds=5)) for name in ("one", "two"))
    require_same_parts([one, two])
    other = replace(two, recipe=two.recipe.model_copy(update={"seed": 7}))
    with pytest.raises(DataError, match="dealt out with different seeds, 1 and 7"):
        require_same_parts([one, other])


def test_a_member_that_learnt_from_the_test_part_is_refused(member: Callable[..., Path], data: Path) -> None:
    one = open_member(member("one"))
    selection = select_examples(one.recipe, data)
    split = selection.split
    swapped = replace(selection, split=replace(split, training=split.test, test=split.training))
    with pytest.raises(DataError, match=f"patient of {split.training[0].file}"):
        require_unseen([one], swapped)
    require_unseen([one], selection)
    by_image = one.recipe.model_copy(update={"data": one.recipe.data.model_copy(update={"by": "image"})})
    require_unseen([replace(one, recipe=by_image)], swapped)


def test_a_package_that_does_not_say_how_it_was_made_is_refused(
    tmp_path: Path, weights: dict[str, bytes], member: Callable[..., Path], data: Path
) -> None:
    planned = manifest(Recipe.model_validate(RECIPE), Calibration())
    mute = write_package(tmp_path / "mute", planned, {**weights, "card.md": b"", FIGURES: b"{}"}).folder
    with pytest.raises(DataError, match="does not say what it was made from"):
        make_ensemble(tmp_path / "both", [member("one"), mute], data)
    assert not (tmp_path / "both").exists()


def test_a_package_remembers_its_patients_by_marks_of_its_own_or_not_at_all(
    member: Callable[..., Path], data: Path
) -> None:
    one, two, forgets = (member("one"), member("two"), member("mute", remember_patients=False))
    selection = select_examples(open_member(one).recipe, data)
    for folder in (one, two):
        record = open_member(folder).record
        assert not record.forgets
        assert {record.part_of(example) for example in selection.split.training} == {"training"}
        assert {record.part_of(example) for example in selection.split.test} == {"test"}
    known = [json.loads((folder / FIGURES).read_text())["protocol"] for folder in (one, two, forgets)]
    parts = [protocol_["parts"]["training"] for protocol_ in known]
    assert parts[0]["patient_marks"] != parts[1]["patient_marks"]
    assert known[0] == json.loads((member("one") / FIGURES).read_text())["protocol"], "a run can be repeated"
    assert "marks" not in known[2]
    assert "patient_marks" not in parts[2]
    assert open_member(forgets).record.forgets


@pytest.mark.parametrize("content", [b'{"recipe": ', b"[]", b'{"recipe": {}, "protocol": []}'])
def test_a_member_whose_figures_are_broken_is_refused_in_words(
    tmp_path: Path, weights: dict[str, bytes], content: bytes
) -> None:
    planned = manifest(Recipe.model_validate(RECIPE), Calibration())
    broken = write_package(tmp_path / "broken", planned, {**weights, "card.md": b"", FIGURES: content}).folder
    with pytest.raises((DataError, PackageError), match=r"tiny 1\.0\.0.* (make|train) it again"):
        open_member(broken)


def test_a_failure_leaves_the_package_that_was_there(
    member: Callable[..., Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = member("both")
    before = {path.name: path.read_bytes() for path in there.iterdir()}

    def fail(*_: Any) -> dict[str, bytes]:
        raise DataError("no card")

    monkeypatch.setattr(ensemble, "described", fail)
    with pytest.raises(DataError, match="no card"):
        make_ensemble(there, [member("one"), member("two")], data)
    assert {path.name: path.read_bytes() for path in there.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_points_are_chosen_on_what_the_ensemble_says(member: Callable[..., Path]) -> None:
    members = [open_member(member("one")), open_member(member("two"))]
    planned = draft(
        [one.package.manifest for one in members], name="both", version="1", title="Both", summary="x",
        licence="x", intended_use="x",
    )  # fmt: skip
    count = 40
    place = (0.1, 0.1, 0.5, 0.5)
    examples, said = [], []
    for index in range(count):
        has = index >= count // 2
        box = TruthBox("lung_opacity", 0.1, 0.1, 0.4, 0.4)
        truths = {"lung_opacity": has, "normal": not has}
        examples.append(
            Example(
                f"{index}", Path("x"), f"{index}", truths=truths, boxes=(box,) if has else (),
                boxed=frozenset({"lung_opacity"}),
            )
        )  # fmt: skip
        score = (index + 0.5) / count
        found = FoundBox(*place, score) if has else FoundBox(0.6, 0.6, 0.9, 0.9, score)
        said.append(Said((score, 1 - score), boxes={"lung_opacity": (found,)}))
    asked = (
        Asked("lung_opacity", "Lung opacity", True, 0.1, 0.9, (0.1, 0.9)),
        Asked("normal", "Normal", False, 0.1, 0.9),
    )
    predictions = Predictions(Package("both", "1", "", "litert"), asked, (), tuple(examples), tuple(said))
    chosen = with_points(planned, members, predictions)
    for finding in chosen.findings:  # perfectly told apart: both points are between the two groups, or next to it
        assert 0.45 <= finding.points.sensitive <= finding.points.specific <= 0.6
    (detector,) = chosen.detectors  # half a false box a picture: all of them; a tenth: four of them
    assert detector.points.sensitive == pytest.approx(0.0125)
    assert detector.points.specific == pytest.approx((16 + 0.5) / count)

"""Kept work is found by the same inputs, and by no others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.data.examples import Example, TruthBox
from training.fit import cache_key
from training.fit.cache_key import fit_key, of_arrays, of_file, whole_key
from training.recipe.recipe import Recipe

BOX = TruthBox("lung_opacity", 0.1, 0.2, 0.3, 0.4)


def _recipe(**tables: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
            "heads": [{"name": "reads", "activation": "softmax", "classes": ["normal", "lung_opacity"]}],
            "findings": [{"label": "lung_opacity", "head": "reads"}],
            **tables,
        }
    )


@pytest.fixture
def example(tmp_path: Path) -> Example:
    (tmp_path / "a.png").write_bytes(b"picture")
    return Example(
        "a.png", tmp_path / "a.png", "p1", fold=2, truths={"normal": False, "lung_opacity": True},
        read=frozenset({"normal", "lung_opacity"}), boxes=(BOX,), boxed=frozenset({"lung_opacity"}),
    )  # fmt: skip


def test_the_same_inputs_have_the_same_key_whatever_order_their_labels_stand_in(example: Example) -> None:
    turned = replace(
        example, truths=dict(reversed(example.truths.items())), read=frozenset(["lung_opacity", "normal"]),
    )  # fmt: skip
    assert fit_key(_recipe(), {"training": [example]}, "w") == fit_key(_recipe(), {"training": [turned]}, "w")


@pytest.mark.parametrize(
    "corrected",
    [
        {"truths": {"normal": True, "lung_opacity": False}},
        {"boxes": (replace(BOX, w=0.35),)},
        {"read": frozenset({"normal"})},
        {"boxed": frozenset()},
        {"fold": 3},
        {"patient": "p2"},
        {"file": "b.png"},
    ],
)
def test_whatever_is_corrected_of_a_picture_makes_another_key(example: Example, corrected: dict[str, Any]) -> None:
    other = replace(example, **corrected)
    assert fit_key(_recipe(), {"training": [example]}, "w") != fit_key(_recipe(), {"training": [other]}, "w")


def test_another_picture_under_the_same_name_makes_another_key(example: Example) -> None:
    before = fit_key(_recipe(), {"training": [example]}, "w")
    example.path.write_bytes(b"another picture")
    assert fit_key(_recipe(), {"training": [example]}, "w") != before


def test_a_picture_s_part_other_weights_other_settings_and_another_program_make_another_key(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(recipe: Recipe | None = None, part: str = "training", weights: str = "w", *more: object) -> str:
        return fit_key(recipe or _recipe(), {part: [example]}, weights, *more)

    all_keys = {
        key(), key(part="test"), key(weights="v"), key(_recipe(seed=2)), key(_recipe(fit={"epochs": 9})),
        key(None, "training", "w", "quick"),
    }  # fmt: skip
    assert len(all_keys) == 6
    monkeypatch.setattr(cache_key, "program", lambda: "99.0.0")
    assert key() not in all_keys


def test_what_no_fit_depends_on_leaves_a_fit_s_key_and_changes_a_package_s(example: Example) -> None:
    named = _recipe(package={"name": "other", "version": "0.0.2", "title": "Other", "summary": "For tests."})
    renamed = _recipe(network={"weights": "elsewhere/the-same.h5"})
    parts = {"training": [example]}
    assert fit_key(_recipe(), parts, "w") == fit_key(named, parts, "w") == fit_key(renamed, parts, "w")
    assert whole_key(_recipe(), parts, "w") != whole_key(named, parts, "w")


def test_weights_count_by_their_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.h5", tmp_path / "other.h5"
    one.write_bytes(b"1")
    other.write_bytes(b"1")
    assert of_file(one) == of_file(other)
    other.write_bytes(b"2")
    assert of_file(one) != of_file(other)
    assert (of_file(None), of_file(Path("imagenet"))) == ("", "imagenet")
    assert of_arrays([np.zeros(2)]) == of_arrays([np.zeros(2)]) != of_arrays([np.zeros((2, 1))])

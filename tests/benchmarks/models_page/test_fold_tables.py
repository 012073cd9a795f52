"""The table of recipes on the same folds, from the files that cross-validation leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models_page.fold_tables import folds_section, read_folds
from config.errors import DataError

PUBLISHED = {"darkcovidnet": {"accuracy": 0.8702, "accuracy_binary": 0.9808}, "covid-transfer": {}}


def _figure(value: float) -> dict[str, Any]:
    return {"value": value, "interval": [value - 0.02, value + 0.02]}


def _document(task: str = "three", by: str = "image") -> dict[str, Any]:
    def recipe(accuracy: float) -> dict[str, Any]:
        return {
            "pooled": {"accuracy": _figure(accuracy), "auroc": _figure(0.95)},
            "settings": {"network": {"kind": "cnn", "side": 320}, "fit": {"epochs": 6}},
        }

    return {
        "protocol": {"task": task, "by": by, "folds": 5, "pictures": 1119, "patients": 940, "quick": False},
        "recipes": {"covid-transfer": recipe(0.91), "darkcovidnet-short": recipe(0.8)},
        "differences": {"covid-transfer less darkcovidnet-short": {"accuracy": _figure(0.11)}},
    }


def test_each_recipe_stands_with_its_accuracy_what_was_published_and_the_lead_over_it() -> None:
    ours, peer = folds_section([_document()], PUBLISHED).splitlines()[-2:]
    assert "three classes: 5 folds, 1119 pictures of 940 patients | the image | `covid-transfer`" in ours
    assert "91.00 % [89.0–93.0] | – |" in ours
    assert "`darkcovidnet-short` (320 px, 6 epochs) | 80.00 % [78.0–82.0] | 87.02 % |" in peer
    assert "+11.0 points [+9.0 to +13.0]" in peer


def test_published_figures_stand_only_beside_those_that_were_measured_as_they_were() -> None:
    text = folds_section([_document(by="patient"), _document("binary")], PUBLISHED)
    assert "98.08 %" in text
    assert "87.02 %" not in text
    assert text.index("three classes") < text.index("COVID-19 against no finding:")


def test_without_a_run_there_is_no_section(tmp_path: Path) -> None:
    assert folds_section(read_folds(tmp_path / "none"), PUBLISHED) == ""


def test_a_file_that_is_no_cross_validation_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(_document()), encoding="utf-8")
    assert len(read_folds(tmp_path)) == 1
    (tmp_path / "b.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.json is no cross-validation"):
        read_folds(tmp_path)

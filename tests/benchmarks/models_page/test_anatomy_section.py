"""The anatomy section of the page of models: floors beside every figure, and nothing of another file."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models_page.anatomy_section import read_results, section
from config.errors import DataError


def figure(value: float) -> dict[str, Any]:
    return {"value": value, "interval": [value - 0.01, value + 0.01]}


@pytest.fixture
def document() -> dict[str, Any]:
    ranked = {"question": "mined labels of NIH", "films": 20, "positives": 6, "without_ratio": 1}
    scores = {"ratio": figure(0.8), "heart_share": figure(0.85)}
    floors = {name: figure(0.5) for name in ("view", "header", "border", "shuffled")}
    return {
        "milliseconds": dict.fromkeys(("forward_fastest", "forward_median", "whole_fastest", "whole_median"), 1.0),
        "outlines": [
            {
                "films": "shenzhen", "number": 9,
                "lungs_dice": figure(0.951), "lungs_dice_films": 9, "floor_lungs_dice": 0.7,
            },
            {
                "films": "jsrt, the fold left out", "number": 9, "floor_heart_dice": 0.8, "floor_ratio_error": 0.03,
                "lungs_dice": figure(0.97), "lungs_dice_films": 9,
                "heart_dice": figure(0.942), "heart_dice_films": 9,
                "ratio_error": figure(0.014), "ratio_error_films": 8,
            },
        ],
        "cardiomegaly": [
            {**ranked, **scores, "view": "all", "floors": floors},
            {**ranked, **scores, "view": "PA"},
        ],
    }  # fmt: skip


def test_each_figure_stands_beside_its_goal_and_its_floor(document: dict[str, Any]) -> None:
    text = section(document)
    assert "| shenzhen | 9 | lungs, Dice | 0.951 [0.941–0.961] | ≥ 0.95 | 0.700 |" in text
    assert "| jsrt, the fold left out | 9 | heart, Dice | 0.942 [0.932–0.952] | ≥ 0.94 | 0.800 |" in text
    assert "| jsrt, the fold left out | 8 | CTR, absolute error | 0.014 [0.004–0.024] | ≤ 0.016 | 0.030 |" in text
    assert text.count("≥ 0.95") == 1
    assert text.count("≥ 0.80") == 1
    assert "| mined labels of NIH | 0.500" in text


def test_a_file_of_something_else_is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "anatomy.json"
    assert read_results(path) is None
    path.write_text(json.dumps(document))
    assert read_results(path) == document
    path.write_text("{}")
    with pytest.raises(DataError, match="no figures of anatomy"):
        read_results(path)

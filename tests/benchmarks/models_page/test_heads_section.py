"""The section on heads from many sources: floors and the pair beside every figure."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models_page.heads_section import read_results, section
from config.errors import DataError


def figure(value: float) -> dict[str, Any]:
    return {"value": value, "interval": [value - 0.01, value + 0.01]}


@pytest.fixture
def document() -> dict[str, Any]:
    share = {"calls": 1, "images": 4}
    groups = dict.fromkeys(
        ("normals read by radiologists", "bimcv", "shenzhen tuberculosis", "shenzhen normal", "jsrt normal"), share
    )
    one = {"sensitivity": share, "shown_soft": share, "groups": groups, "mined": figure(0.7), "boxed": None}
    read = {**one, "read": figure(0.81), "right": {"calls": 9, "right": 5}}
    point = {"specificity": 0.8, "point": 0.3, "right": {"calls": 9, "right": 5}, "sensitivity": share}
    return {
        "package": {"name": "chest-default", "version": "1.3.0"},
        "films": {"all": 30, "hidden": 20, "soft": 4},
        "findings": {"mass": {"shipped": read, "heads": read}, "pneumonia": {"shipped": one, "heads": one}},
        "means": {"shipped": figure(0.71), "heads": figure(0.73)},
        "several": {"shipped": {"bimcv": share}, "heads": {"bimcv": {"calls": 0, "images": 0}}},
        "floors": {name: figure(0.5) for name in ("view", "header", "border", "shuffled")},
        "opacity": [{**point, "groups": groups}],
    }


def test_every_figure_stands_beside_its_floors_and_its_pair(document: dict[str, Any]) -> None:
    text = section(document)
    assert "| shipped | 0.710 [0.700–0.720] |" in text
    for name in ("view", "header", "border", "shuffled"):
        assert f"| floor: {name} | 0.500" in text
    assert "| mass | many sources | 25 % of 4 | 25 % of 4 | 5 of 9 |" in text
    assert "| pneumonia | shipped | 0.700 [0.690–0.710] | – | – |" in text
    assert "| many sources | – |" in text
    assert "| 0.80 | 0.300 | 5 of 9 |" in text


def test_a_file_of_other_figures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "heads.json"
    assert read_results(path) is None
    path.write_text(json.dumps({"package": {}}))
    with pytest.raises(DataError, match=r"benchmarks\.heads"):
        read_results(path)

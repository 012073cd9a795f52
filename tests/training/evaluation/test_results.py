"""What an evaluation holds is laid out as in the packages that ship, whose cards and pages are written from it."""

import json
from dataclasses import fields
from typing import Any

import pytest

from inference.package import BUILT_IN, FIGURES
from training.evaluation import results


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """The test figures of the package that ships."""
    text = (BUILT_IN / "chest-default" / FIGURES).read_text(encoding="utf-8")
    test: dict[str, Any] = json.loads(text)["test"]
    return test


def _names(kind: Any) -> list[str]:
    return [one.name for one in fields(kind)]


def _without(names: list[str], *omitted: str) -> list[str]:
    return [name for name in names if name not in omitted]


def test_every_part_has_the_names_of_the_file_in_their_order(shipped: dict[str, Any]) -> None:
    assert list(shipped) == _names(results.Evaluation)
    for part, kind in (
        ("findings", results.FindingMetrics), ("groups", results.GroupMetrics), ("contrasts", results.ContrastMetrics),
        ("classes", results.HeadMetrics), ("boxes", results.BoxMetrics),
    ):  # fmt: skip
        assert shipped[part]
        assert all(list(entry) == _names(kind) for entry in shipped[part].values()), part
    assert list(shipped["kept_apart"]) == _names(results.PlaceKeptApart)


def test_points_and_bins_have_them_too(shipped: dict[str, Any]) -> None:
    finding = shipped["findings"]["lung_opacity"]
    assert list(finding["points"]["sensitive"]) == _names(results.CallMetrics)
    assert list(finding["at_half"]) == _without(_names(results.CallMetrics), "threshold")
    assert list(finding["reliability"][0]) == _names(results.ReliabilityBin)
    boxes = shipped["boxes"]["lung_opacity"]
    assert list(boxes["points"]["specific"]) == _names(results.BoxPointMetrics)
    assert list(boxes["rsna_map"]) == _names(results.RsnaScore)
    assert list(boxes["froc"]) == _names(results.Froc)
    whole = [part for part in finding["subgroups"].values() if "auroc" in part]
    assert whole
    assert all(list(part) == _without(_names(results.SubgroupMetrics), "title") for part in whole)

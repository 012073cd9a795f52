"""The verdict's figures: intervals, and the goals that the shipped package has to meet."""

import json

import pytest

from benchmarks.verdict import GOALS, RESULTS, share
from inference.package import load_verdict


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(0, 100, 0.0, 0.037), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)]
)
def test_intervals_are_those_of_wilson(count: int, of: int, low: float, high: float) -> None:
    figure = share(count, of)
    assert figure["share"] == (count / of if of else 0)
    assert figure["low"] == pytest.approx(low, abs=5e-4)
    assert figure["high"] == pytest.approx(high, abs=5e-4)


def test_the_figures_are_those_of_the_shipped_package_and_meet_the_goals() -> None:
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert document["package"]["digest"] == load_verdict("verdict").digest
    accept = document["margin"]["accept"]
    counts: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in document["rows"]:
        stopped = next(entry["count"] for entry in row["stopped"] if entry["accept"] == accept)
        counts.setdefault((row["network"], row["kind"]), []).append((stopped, row["images"]))
    for (network, kind), rows in counts.items():
        if kind not in GOALS:
            continue
        share = sum(count for count, _ in rows) / sum(images for _, images in rows)
        assert share <= GOALS[kind] if kind == "good" else share >= GOALS[kind], (network, kind)
    good = [row for row in document["rows"] if row["kind"] == "good"]
    assert max(entry["share"] for row in good for entry in row["stopped"] if entry["accept"] == accept) <= 0.01

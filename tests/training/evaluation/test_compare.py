"""Two packages on the same pictures: paired, honest about what is only a threshold, refused where truths differ."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from config.errors import DataError
from training.evaluation.compare import compare, shared, verdict
from training.evaluation.metric import Metric
from training.evaluation.predictions import Predictions

Make = Callable[..., Predictions]


def _row(document: dict[str, Any], *path: str) -> dict[str, Any]:
    return next(row for row in document["rows"] if row["path"] == list(path))


def test_a_better_package_is_ahead_and_from_the_other_side_behind(make: Make) -> None:
    good, bad = make(400, noise=1.0, name="good"), make(400, noise=6.0, name="bad")
    document = compare(good, bad, resamples=200)
    row = _row(document, "findings", "lung_opacity", "auroc")
    assert row["verdict"] == "ahead"
    assert row["difference"]["value"] == pytest.approx(row["one"]["value"] - row["other"]["value"], abs=2e-4)
    assert row["difference"]["interval"][0] > 0
    assert _row(document, "findings", "lung_opacity", "log_loss")["verdict"] == "ahead"  # smaller is better
    assert "good 1.0.0 is ahead of bad 1.0.0" in document["sentence"]
    assert "400 pictures" in document["sentence"]
    turned = compare(bad, good, resamples=200)
    assert _row(turned, "findings", "lung_opacity", "auroc")["verdict"] == "behind"


def test_a_package_against_itself_differs_in_nothing(make: Make) -> None:
    document = compare(make(), make(), resamples=100)
    assert {row["verdict"] for row in document["rows"]} == {"open"}
    assert "no difference can be told" in document["sentence"]


def test_pairing_narrows_the_interval(make: Make) -> None:
    one = make(400, noise=3.0)
    rng = np.random.default_rng(9)
    nearly = replace(
        one,
        said=tuple(
            replace(said, scores=tuple(float(np.clip(score + 0.01 * rng.normal(), 0, 1)) for score in said.scores))
            for said in one.said
        ),
    )
    row = _row(compare(one, nearly, resamples=200), "findings", "lung_opacity", "auroc")
    low, high = row["difference"]["interval"]
    alone = row["one"]["interval"]
    assert high - low < 0.5 * (alone[1] - alone[0])


def test_what_hangs_on_operating_points_is_never_ahead(make: Make) -> None:
    document = compare(make(400, noise=1.0), make(400, noise=6.0), resamples=100)
    at_points = [row for row in document["rows"] if {"sensitive", "specific", "at_half"} & set(row["path"])]
    assert {row["verdict"] for row in at_points} <= {"open", "higher", "lower"}


def test_only_pictures_that_both_were_asked_about_count(make: Make) -> None:
    one = make(40)
    a, b = shared(one.only(range(30)), one.only(range(39, 9, -1)))
    assert [example.file for example in a.examples] == [example.file for example in b.examples]
    assert len(a.examples) == 20
    with pytest.raises(DataError, match="no picture in common"):
        shared(one.only(range(10)), one.only(range(20, 30)))


def test_files_that_disagree_on_the_truth_are_refused(make: Make) -> None:
    one = make(40)
    first = one.examples[0]
    changed = replace(first, truths={label: not true for label, true in first.truths.items()})
    with pytest.raises(DataError, match="do not agree"):
        compare(one, replace(one, examples=(changed, *one.examples[1:])), resamples=100)


def test_pictures_a_package_was_made_from_are_told(make: Make) -> None:
    one = make(40)
    fitted = replace(one, used=("training",) * 10 + ("",) * 30)
    assert compare(fitted, one, resamples=100)["seen"] == {"drawn 1.0.0": {"training": 10}}


@pytest.mark.parametrize(
    ("path", "difference", "expected"),
    [
        (("findings", "x", "auroc"), Metric(0.1, 0.05, 0.2), "ahead"),
        (("findings", "x", "ece"), Metric(0.1, 0.05, 0.2), "behind"),
        (("findings", "x", "auroc"), Metric(0.1, -0.05, 0.2), "open"),
        (("findings", "x", "auroc"), Metric(0.1, float("nan"), 0.2), "open"),
        (("findings", "x", "points", "sensitive", "sensitivity"), Metric(-0.1, -0.2, -0.05), "lower"),
    ],
)
def test_verdicts(path: tuple[str, ...], difference: Metric, expected: str) -> None:
    assert verdict(path, difference) == expected

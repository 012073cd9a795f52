"""Outputs become calibrated findings."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import PackageError
from inference.detector import sigmoid
from inference.findings import Level, OperatingPoints
from inference.interpret import class_margin, findings_of
from inference.package import ModelPackage
from inference.placement import Placement

PLACEMENT = Placement.fit((640, 960), (64, 96))


def outputs(logits: list[float], heat: float = -9.0) -> list[np.ndarray[Any, Any]]:
    heats = np.full((1, 8, 12, 1), -9.0, np.float32)
    heats[0, 3, 4, 0] = heat
    boxes = np.full((1, 8, 12, 4), 0.25, np.float32)
    return [np.array([logits], np.float32), heats, boxes]


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.integers(0, 5))
def test_the_margin_is_the_log_odds_of_the_softmax(logits: list[float], index: int) -> None:
    index %= len(logits)
    values = np.array(logits)
    probability = np.exp(values - values.max()) / np.exp(values - values.max()).sum()
    assert sigmoid(class_margin(values, index)) == pytest.approx(probability[index], abs=1e-9)


def test_the_score_follows_the_calibration(hollow_package: ModelPackage) -> None:
    opacity, normal = findings_of(hollow_package, outputs([0.0, 1.0, 2.0], heat=1.5), PLACEMENT)
    margin = 2.0 - np.log(np.exp(0.0) + np.exp(1.0))
    assert opacity.score == pytest.approx(sigmoid(margin + 0.5 * 1.5 + 0.25))
    assert normal.score == pytest.approx(1 / (1 + np.exp(1) + np.exp(2)))
    assert (opacity.label, opacity.code.value, opacity.site.value) == ("lung_opacity", "112001", "39607008")
    assert (opacity.abnormal, normal.abnormal) == (True, False)
    assert (opacity.level, normal.level) == (Level.PRESENT, Level.ABSENT)


def test_boxes_come_with_the_finding_or_not_at_all(hollow_package: ModelPackage) -> None:
    present, _ = findings_of(hollow_package, outputs([0.0, 0.0, 2.0], heat=1.5), PLACEMENT)
    (box,) = present.boxes
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((220, 180, 460, 340))
    assert box.level is Level.PRESENT
    absent, _ = findings_of(hollow_package, outputs([9.0, 0.0, -9.0], heat=1.5), PLACEMENT)
    assert absent.level is Level.ABSENT
    assert absent.boxes == ()


def test_a_sites_own_points_replace_the_packages(hollow_package: ModelPackage) -> None:
    package = replace(hollow_package, site_points=(("lung_opacity", OperatingPoints(0.98, 0.99)),))
    opacity, _ = findings_of(package, outputs([0.0, 0.0, 2.0], heat=1.5), PLACEMENT)
    assert opacity.points == OperatingPoints(0.98, 0.99)
    assert opacity.level is Level.ABSENT


def test_answers_that_are_no_numbers_are_the_packages_fault(hollow_package: ModelPackage) -> None:
    with pytest.raises(PackageError, match="no numbers"):
        findings_of(hollow_package, outputs([float("nan"), 0.0, 0.0]), PLACEMENT)

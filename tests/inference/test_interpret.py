"""Outputs become calibrated findings."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import PackageError
from inference.detector import decode_boxes, sigmoid
from inference.findings import Level, MapKind, OperatingPoints, Pointing, finding_from_json, finding_to_json
from inference.interpret import Answer, boxes_of, class_margin, evidence_of, findings_of, interpret, scores_of
from inference.manifest import EvidenceSpec, ScoreMapSpec, ShareSpec
from inference.package import EnsemblePackage, ModelPackage
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
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((120, 120, 600, 440))
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


RICH_PLACEMENT = Placement.fit((640, 960), (48, 48))


def rich_outputs(
    conditions: tuple[float, float], reads: tuple[float, float, float], opacity: float, effusion: float
) -> list[np.ndarray[Any, Any]]:
    """Return outputs in the order of the rich package: conditions, reads, box, heat; each channel has one peak."""
    heats = np.full((1, 12, 12, 2), -9.0, np.float32)
    heats[0, 5, 3, 0], heats[0, 7, 8, 1] = opacity, effusion
    boxes = np.full((1, 12, 12, 4), 0.25, np.float32)
    return [np.array([conditions], np.float32), np.array([reads], np.float32), boxes, heats]


logit = st.floats(-20, 20, width=32)


@given(st.tuples(logit, logit), st.tuples(logit, logit, logit), logit, logit)
def test_every_finding_has_its_own_head_channel_and_ground(
    rich: ModelPackage,
    conditions: tuple[float, float],
    reads: tuple[float, float, float],
    opacity: float,
    effusion: float,
) -> None:
    outputs = rich_outputs(conditions, reads, opacity, effusion)
    found = {entry.label: entry for entry in findings_of(rich, outputs, RICH_PLACEMENT)}
    assert list(found) == ["lung_opacity", "covid_pneumonia", "effusion", "normal"]
    margin = class_margin(np.array(reads), 2)
    assert found["lung_opacity"].score == pytest.approx(sigmoid(2 * margin + 0.5 * max(opacity, -9.0) - 0.5))
    own = sigmoid(conditions[1] + 0.5)
    assert found["covid_pneumonia"].score == pytest.approx(own * found["lung_opacity"].score)
    assert found["covid_pneumonia"].score <= found["lung_opacity"].score
    assert found["effusion"].score == pytest.approx(sigmoid(conditions[0] + max(effusion, -9.0)))
    assert found["normal"].score == pytest.approx(sigmoid(class_margin(np.array(reads), 0)))
    for finding in found.values():
        assert finding.level is finding.points.level(finding.score)
        assert not (finding.boxes and finding.level is Level.ABSENT)


def test_a_finding_on_top_of_another_counts_whole_once_that_one_is_seen_and_falls_with_it_below(
    rich: ModelPackage,
) -> None:
    findings = tuple(
        spec.model_copy(update={"given_whole": 0.2}) if spec.given else spec for spec in rich.manifest.findings
    )
    package = replace(rich, manifest=rich.manifest.model_copy(update={"findings": findings}))
    for opacity, share in ((0.8, 1.0), (0.2, 1.0), (0.1, 0.5), (0.01, 0.05)):
        margin = (math.log(opacity / (1 - opacity)) + 0.5 + 4.5) / 2
        found = {
            one.label: one
            for one in findings_of(
                package, rich_outputs((0, 1.0), (0, 0, margin + math.log(2)), -9.0, 0), RICH_PLACEMENT
            )
        }
        assert found["lung_opacity"].score == pytest.approx(opacity)
        assert found["covid_pneumonia"].score == pytest.approx(sigmoid(1.5) * share)


def test_a_note_comes_with_its_finding(rich: ModelPackage) -> None:
    found = findings_of(rich, rich_outputs((0, 0), (0, 0, 0), 0, 0), RICH_PLACEMENT)
    assert [entry.note for entry in found] == ["", "A pattern on top of an opacity, no test for the virus.", "", ""]


def test_boxes_come_from_the_findings_own_channel(rich: ModelPackage) -> None:
    outputs = rich_outputs((3.0, 0.0), (0.0, 0.0, 5.0), 2.0, 1.5)
    found = {entry.label: entry for entry in findings_of(rich, outputs, RICH_PLACEMENT)}
    (opacity,), (effusion,) = found["lung_opacity"].boxes, found["effusion"].boxes
    assert (opacity.score, effusion.score) == (pytest.approx(sigmoid(2.0)), pytest.approx(sigmoid(3.0)))
    assert opacity.x1 < effusion.x1
    assert opacity.y0 < effusion.y0
    assert found["covid_pneumonia"].boxes == found["normal"].boxes == ()


@given(seed=st.integers(0, 2**32 - 1))
def test_a_findings_boxes_are_the_sure_ones_of_all_there_are(rich: ModelPackage, seed: int) -> None:
    random = np.random.default_rng(seed)
    outputs = rich_outputs((9.0, 0.0), (0.0, 0.0, 9.0), 0.0, 0.0)
    outputs[3] = random.normal(-1, 2, (1, 12, 12, 2)).astype(np.float32)
    outputs[2] = random.random((1, 12, 12, 4)).astype(np.float32)
    answers = (Answer(outputs, RICH_PLACEMENT),)
    for position, label in enumerate(("lung_opacity", "effusion")):
        finding = {entry.label: entry for entry in interpret(rich, answers)}[label]
        detector = rich.manifest.detector(label)
        assert detector is not None
        heat = outputs[3][0][:, :, position : position + 1]
        if finding.level is not Level.ABSENT:
            assert finding.boxes == decode_boxes(heat, outputs[2][0], detector, RICH_PLACEMENT)
        everything = boxes_of(rich, answers, label)
        assert everything[: len(finding.boxes)] == finding.boxes
        assert all(entry.level is Level.ABSENT for entry in everything[len(finding.boxes) :]) or not finding.boxes
    assert boxes_of(rich, answers, "normal") == ()


def test_evidence_is_what_calibration_learns_from(rich: ModelPackage) -> None:
    outputs = rich_outputs((1.0, -2.0), (0.5, 1.0, 2.0), 3.0, 4.0)
    manifest = rich.manifest
    assert evidence_of(manifest, manifest.finding("effusion"), outputs) == (1.0, 4.0)
    assert evidence_of(manifest, manifest.finding("covid_pneumonia"), outputs) == (-2.0, 0.0)
    assert evidence_of(manifest, manifest.finding("lung_opacity"), outputs).heat == 3.0


def test_an_ensemble_averages_probabilities_and_fuses_boxes(hollow_ensemble: EnsemblePackage) -> None:
    tiny, rich = hollow_ensemble.members
    one, other = outputs([0.0, 0.0, 1.0], heat=1.5), rich_outputs((0.0, 0.0), (0.0, 0.0, 2.0), -9.0, 5.0)
    other[3][0, 8, 10, 0] = 1.0
    answers = (Answer(one, PLACEMENT), Answer(other, RICH_PLACEMENT))
    left, right = scores_of(tiny, answers[:1]), scores_of(rich, answers[1:])
    opacity, normal = interpret(hollow_ensemble, answers)
    assert (opacity.label, normal.label) == ("lung_opacity", "normal")
    assert opacity.score == pytest.approx((left["lung_opacity"] + right["lung_opacity"]) / 2)
    assert normal.score == pytest.approx((left["normal"] + right["normal"]) / 2)
    assert opacity.points == OperatingPoints(0.25, 0.6)
    assert [entry.level for entry in opacity.boxes] == [Level.POSSIBLE, Level.POSSIBLE]
    scores = [entry.score for entry in opacity.boxes]
    assert scores == pytest.approx([sigmoid(1.5) / 2, sigmoid(1.0) / 2])
    everything = boxes_of(hollow_ensemble, answers, "lung_opacity")
    assert everything[: len(opacity.boxes)] == opacity.boxes
    assert len(everything) > len(opacity.boxes)
    quiet = (Answer(outputs([9.0, 0.0, -9.0]), PLACEMENT), Answer(other, RICH_PLACEMENT))
    apart = interpret(hollow_ensemble, quiet)[0]
    assert apart.level is Level.POSSIBLE


def test_an_ensemble_names_the_member_that_is_broken(hollow_ensemble: EnsemblePackage) -> None:
    broken = rich_outputs((float("inf"), 0.0), (0.0, 0.0, 0.0), 0.0, 0.0)
    answers = (Answer(outputs([0.0, 0.0, 0.0]), PLACEMENT), Answer(broken, RICH_PLACEMENT))
    with pytest.raises(PackageError, match=r"model package rich: .* no numbers"):
        interpret(hollow_ensemble, answers)


def test_a_finding_has_a_map_of_its_heat_where_the_package_says_so(hollow_package: ModelPackage) -> None:
    opacity, *others = hollow_package.manifest.findings
    spec = ScoreMapSpec(kind=MapKind.HEAT, images=9, pointing=0.9, constant=0.5, margin_low=0.2)
    none = ShareSpec(calls=0, images=100)
    evidence = EvidenceSpec(
        point=0.7, images=100, positives=50, calls=50, right=50, normals=none, elsewhere=none, source="tests"
    )
    findings = (opacity.model_copy(update={"map": spec, "evidence": evidence}), *others)
    package = replace(hollow_package, manifest=hollow_package.manifest.model_copy(update={"findings": findings}))
    present, normal = findings_of(package, outputs([0.0, 0.0, 2.0], heat=1.5), PLACEMENT)
    assert normal.map is None
    assert present.map is not None
    assert present.map.pointing == Pointing(9, 0.9, 0.5)
    (box,) = present.boxes
    x, y = present.map.peak[0] * 960, present.map.peak[1] * 640
    assert box.x0 < x < box.x1
    assert box.y0 < y < box.y1
    assert finding_from_json(finding_to_json(present)) == present
    earlier = finding_to_json(present)
    earlier["map"].pop("pointing")
    assert finding_from_json(earlier).map == replace(present.map, pointing=None)
    absent, _ = findings_of(package, outputs([9.0, 0.0, -9.0], heat=1.5), PLACEMENT)
    assert absent.map is None
    scored = (opacity.model_copy(update={"map": spec}), *others)
    package = replace(hollow_package, manifest=hollow_package.manifest.model_copy(update={"findings": scored}))
    unstated, _ = findings_of(package, outputs([0.0, 0.0, 2.0], heat=1.5), PLACEMENT)
    assert unstated.map is None

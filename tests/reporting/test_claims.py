"""What is claimed of findings beside one another, in which order, and in which words."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.findings import Finding, Level, OperatingPoints
from reporting.claims import Claim, ClaimedFinding, claims_of, percentages, region_claim, shown_regions
from reporting.words import DISCLAIMER, SCORED_ONLY, claim_words, headline, right_calls, sentence, summary
from tests.accounts import CHESTS, chest, finding

GOOD = {"abnormal": False}
PRESENT, POSSIBLE, ABSENT = 0.9, 0.5, 0.1


def claims(*findings: Finding) -> dict[str, Claim]:
    return {entry.finding.label: entry.claim for entry in claims_of(findings)}


def first(*findings: Finding) -> ClaimedFinding[Finding]:
    return claims_of(findings)[0]


def test_findings_are_ordered_by_level_then_score_and_what_is_absent_by_the_package() -> None:
    labels = [entry.finding.label for entry in claims_of(chest())]
    assert labels == [
        "lung_opacity", "effusion", "cardiomegaly", "covid19", "atelectasis", "infiltration", "nodule", "pneumonia",
        "normal", "mass", "pneumothorax",
    ]  # fmt: skip


def test_ties_keep_the_packages_order() -> None:
    findings = [finding(label, PRESENT) for label in ("b", "c", "a")]
    assert [entry.finding.label for entry in claims_of(findings)] == ["b", "c", "a"]


def test_a_position_is_the_packages_whatever_the_score() -> None:
    assert {entry.finding.label: entry.position for entry in claims_of(chest())} == {
        entry.finding.label: entry.position for entry in claims_of(chest((0.5,) * 11))
    }


@pytest.mark.parametrize(
    ("normal", "other", "claim"),
    [
        (PRESENT, ABSENT, Claim.PRESENT),
        (POSSIBLE, ABSENT, Claim.UNDETERMINED),
        (ABSENT, ABSENT, Claim.ABSENT),
        (PRESENT, POSSIBLE, Claim.UNDETERMINED),
        (POSSIBLE, POSSIBLE, Claim.UNDETERMINED),
        (ABSENT, POSSIBLE, Claim.ABSENT),
        (PRESENT, PRESENT, Claim.WITHHELD),
        (POSSIBLE, PRESENT, Claim.WITHHELD),
        (ABSENT, PRESENT, Claim.ABSENT),
    ],
)
def test_good_news_claims_no_more_than_the_bad_news_leaves_room_for(normal: float, other: float, claim: Claim) -> None:
    assert claims(finding("normal", normal, **GOOD), finding("a", other))["normal"] is claim


@pytest.mark.parametrize("scores", list(product((ABSENT, POSSIBLE, PRESENT), repeat=3)))
def test_no_text_ever_says_normal_beside_a_finding(scores: tuple[float, float, float]) -> None:
    one, other, normal = scores
    findings = (finding("a", one), finding("b", other), finding("normal", normal, **GOOD))
    text = "\n".join(summary(findings))
    likely = "Normal: likely" in text
    assert likely == (max(one, other) == ABSENT and normal == PRESENT)
    if "present" in headline(claims_of(findings)):
        assert "Normal: undetermined" not in text
    assert ("Not found: A, B" in text) == (max(one, other) == ABSENT)


def test_bad_news_is_never_changed_by_good_news() -> None:
    for score in (ABSENT, POSSIBLE, PRESENT):
        assert claims(finding("a", score), finding("normal", 0.99, **GOOD))["a"].value == {
            PRESENT: "present", POSSIBLE: "undetermined", ABSENT: "absent",
        }[score]  # fmt: skip


def test_a_summary_is_what_is_claimed_then_good_news_then_one_line_of_what_was_not_found() -> None:
    note = "Only a pattern on top of an opacity, not a test for infection"
    right = "; 7 of 10 such calls were right"
    assert summary(chest()) == [
        f"Opacity: present (91 %), 2 regions marked{right}",
        f"Pleural effusion: present (71 %){right}",
        f"Cardiomegaly: present (55 %){right}",
        f"Pattern of COVID-19 pneumonia: undetermined (48 %). {note}",
        "Atelectasis: undetermined (31 %)",
        "Infiltrate: undetermined (22 %)",
        "Nodule: undetermined (8 %)",
        "Pneumonia: undetermined (6 %)",
        "Normal: unlikely",
        "Not found: Mass, Pneumothorax",
    ]
    assert summary(CHESTS["none abnormal"])[0] == f"Normal: likely (97 %){right}"
    assert len(summary(CHESTS["none abnormal"])) == 2
    assert "Normal: not stated beside a finding that is present" in summary(CHESTS["eleven, all present"])


def test_nothing_is_said_of_what_is_scored_only() -> None:
    right = "; 7 of 10 such calls were right"
    assert summary(CHESTS["only opacity stated"]) == [f"Opacity: present (91 %), 2 regions marked{right}", SCORED_ONLY]
    assert summary(CHESTS["only opacity stated, not found"]) == ["Not found: Opacity", SCORED_ONLY]
    assert summary(CHESTS["nothing stated"]) == ["No finding is stated"]
    assert headline(claims_of(CHESTS["nothing stated"])) == f"{DISCLAIMER}: no finding is stated"
    assert headline(claims_of(CHESTS["only opacity stated, not found"])) == f"{DISCLAIMER}: Opacity not found"


def test_good_news_is_capped_by_stated_findings_only() -> None:
    scored = finding("a", PRESENT, stated=False)
    assert claims(scored, finding("normal", PRESENT, **GOOD)) == {"normal": Claim.PRESENT, "a": Claim.SCORED_ONLY}


def test_a_note_stands_beside_a_claim_only() -> None:
    noted = finding("a", ABSENT, note="Not a test.")
    assert "Not a test" not in "".join(summary((noted,)))
    assert summary((replace(noted, score=POSSIBLE, level=Level.POSSIBLE),)) == ["A: undetermined (50 %). Not a test"]


def test_regions_are_counted_as_they_are_drawn() -> None:
    boxes = ((0, 0, 9, 9, 0.7), (0, 0, 9, 9, 0.9), (0, 0, 9, 9, 0.1))
    found = first(finding("a", PRESENT, *boxes))
    assert [box.score for box in shown_regions(found)] == [0.9, 0.7]
    assert sentence(found) == "A: present (90 %), 2 regions marked; 7 of 10 such calls were right"
    assert shown_regions(first(finding("a", ABSENT, *boxes))) == []


def test_regions_of_good_news_are_capped_as_it_is() -> None:
    good = finding("clear", PRESENT, (0, 0, 9, 9, 0.9), **GOOD)
    alone, doubtful, denied = (
        next(entry for entry in claims_of((good, *rest)) if entry.finding is good)
        for rest in ((), (finding("a", POSSIBLE),), (finding("a", PRESENT),))
    )
    box = good.boxes[0]
    assert [region_claim(entry, box) for entry in (alone, doubtful, denied)] == [
        Claim.PRESENT, Claim.UNDETERMINED, Claim.WITHHELD,
    ]  # fmt: skip
    assert shown_regions(denied) == []


def test_the_headline_says_what_it_is_then_what_is_stated() -> None:
    normal = finding("normal", 0.97, **GOOD)
    assert headline(claims_of([normal])) == f"{DISCLAIMER}: Normal likely"
    assert headline(claims_of([finding("a", 0.4), normal])) == f"{DISCLAIMER}: A undetermined"
    three = [finding("a", 0.9), finding("b", 0.8), finding("c", 0.4)]
    assert headline(claims_of(three)) == f"{DISCLAIMER}: A, B present; C undetermined"
    assert headline(claims_of([finding("a", 0.1), finding("b", 0.1)])) == f"{DISCLAIMER}: A, B not found"
    assert headline(claims_of([finding(label, 0.1) for label in "abcd"])) == f"{DISCLAIMER}: 4 findings not found"


def test_every_claim_has_a_word_for_good_and_bad_news() -> None:
    assert [claim_words(claim, abnormal=True) for claim in Claim] == [
        "present", "undetermined", "not found", "not stated", "scored only",
    ]  # fmt: skip
    assert [claim_words(claim, abnormal=False) for claim in Claim] == [
        "likely", "undetermined", "unlikely", "not stated", "scored only",
    ]  # fmt: skip


def test_nothing_is_rounded_to_certainty() -> None:
    shown = [percentages(finding("a", score))[0] for score in (0.0, 0.001, 0.5, 0.9999, 1.0)]
    assert shown == ["0", "1", "50", "99", "100"]


def test_no_rounding_contradicts_a_point() -> None:
    below = finding("a", 0.358, points=OperatingPoints(0.1, 0.362))
    assert percentages(below) == ("35.8", "10.0", "36.2")
    assert percentages(replace(below, score=0.37)) == ("37", "10", "36")


@given(score=st.floats(0, 1), sensitive=st.floats(0, 1), specific=st.floats(0, 1))
def test_a_number_stands_on_its_own_side_of_both_points(score: float, sensitive: float, specific: float) -> None:
    points = OperatingPoints(*sorted((round(sensitive, 4), round(specific, 4))))
    shown = [float(text) for text in percentages(finding("a", round(score, 6), points=points))]
    for point, drawn in zip((points.sensitive, points.specific), shown[1:], strict=True):
        assert (round(score, 6) >= point) == (shown[0] >= drawn)


def test_calls_are_counted_in_tens_and_never_rounded_up() -> None:
    assert right_calls(91, 130) == "7 of 10 such calls were right"
    assert right_calls(79, 100) == "7 of 10 such calls were right"
    assert right_calls(10, 10) == "10 of 10 such calls were right"
    assert right_calls(0, 0) == ""

"""What is claimed of findings beside one another, in which order, and in which words."""

from dataclasses import replace
from itertools import product

import pytest

from inference.findings import Finding, Level
from reporting.reading import (
    NOTHING_FOUND,
    Claim,
    Read,
    box_claim,
    claim_words,
    headline,
    marked,
    percent,
    read,
    sentence,
    summary,
)
from tests.accounts import CHESTS, chest, finding

GOOD = {"abnormal": False}
PRESENT, POSSIBLE, ABSENT = 0.9, 0.5, 0.1


def claims(*findings: Finding) -> dict[str, Claim]:
    return {one.finding.label: one.claim for one in read(findings)}


def one(*findings: Finding) -> Read[Finding]:
    return read(findings)[0]


def test_findings_are_ordered_by_level_then_score_and_what_is_absent_by_the_package() -> None:
    labels = [one.finding.label for one in read(chest())]
    assert labels == [
        "lung_opacity", "effusion", "cardiomegaly", "covid19", "atelectasis", "infiltration", "nodule", "pneumonia",
        "normal", "mass", "pneumothorax",
    ]  # fmt: skip


def test_ties_keep_the_packages_order() -> None:
    findings = [finding(label, PRESENT) for label in ("b", "c", "a")]
    assert [one.finding.label for one in read(findings)] == ["b", "c", "a"]


def test_a_position_is_the_packages_whatever_the_score() -> None:
    assert {one.finding.label: one.position for one in read(chest())} == {
        one.finding.label: one.position for one in read(chest((0.5,) * 11))
    }


@pytest.mark.parametrize(
    ("normal", "other", "claim"),
    [
        (PRESENT, ABSENT, Claim.PRESENT),
        (POSSIBLE, ABSENT, Claim.POSSIBLE),
        (ABSENT, ABSENT, Claim.ABSENT),
        (PRESENT, POSSIBLE, Claim.POSSIBLE),
        (POSSIBLE, POSSIBLE, Claim.POSSIBLE),
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
    first, second, normal = scores
    findings = (finding("a", first), finding("b", second), finding("normal", normal, **GOOD))
    text = "\n".join(summary(findings))
    likely = "Normal: likely" in text
    assert likely == (max(first, second) == ABSENT and normal == PRESENT)
    if "present" in headline(read(findings)):
        assert "Normal: possible" not in text
    assert (NOTHING_FOUND in text) == (max(first, second) == ABSENT)


def test_bad_news_is_never_changed_by_good_news() -> None:
    for score in (ABSENT, POSSIBLE, PRESENT):
        assert claims(finding("a", score), finding("normal", 0.99, **GOOD))["a"].value == finding("a", score).level


def test_a_summary_is_what_is_claimed_then_good_news_then_one_line_of_what_was_not_found() -> None:
    note = "Only a pattern on top of an opacity, not a test for infection"
    assert summary(chest()) == [
        "Opacity: present (91 %), 2 regions marked",
        "Pleural effusion: present (71 %)",
        "Cardiomegaly: present (55 %)",
        f"Pattern of COVID-19 pneumonia: possible (48 %). {note}",
        "Atelectasis: possible (31 %)",
        "Infiltrate: possible (22 %)",
        "Nodule: possible (8 %)",
        "Pneumonia: possible (6 %)",
        "Normal: unlikely (1 %)",
        "Not found: Mass (3 %), Pneumothorax (1 %)",
    ]
    assert summary(CHESTS["none abnormal"])[:2] == [NOTHING_FOUND, "Normal: likely (97 %)"]
    assert len(summary(CHESTS["none abnormal"])) == 3
    assert "Normal: not stated beside a finding that is present (score 90 %)" in summary(CHESTS["eleven, all present"])


def test_a_note_stands_beside_a_claim_only() -> None:
    noted = finding("a", ABSENT, note="Not a test.")
    assert "Not a test" not in "".join(summary((noted,)))
    assert summary((replace(noted, score=POSSIBLE, level=Level.POSSIBLE),)) == ["A: possible (50 %). Not a test"]


def test_regions_are_counted_as_they_are_drawn() -> None:
    boxes = ((0, 0, 9, 9, 0.7), (0, 0, 9, 9, 0.9), (0, 0, 9, 9, 0.1))
    found = one(finding("a", PRESENT, *boxes))
    assert [box.score for box in marked(found)] == [0.9, 0.7]
    assert sentence(found) == "A: present (90 %), 2 regions marked"
    assert marked(one(finding("a", ABSENT, *boxes))) == []


def test_regions_of_good_news_are_capped_as_it_is() -> None:
    good = finding("clear", PRESENT, (0, 0, 9, 9, 0.9), **GOOD)
    alone, doubtful, denied = (
        next(one for one in read((good, *rest)) if one.finding is good)
        for rest in ((), (finding("a", POSSIBLE),), (finding("a", PRESENT),))
    )
    box = good.boxes[0]
    assert [box_claim(one, box) for one in (alone, doubtful, denied)] == [
        Claim.PRESENT, Claim.POSSIBLE, Claim.WITHHELD,
    ]  # fmt: skip
    assert marked(denied) == []


def test_the_headline_counts_abnormal_findings_only() -> None:
    normal = finding("normal", 0.97, **GOOD)
    assert headline(read([normal])) == NOTHING_FOUND
    assert headline(read([finding("a", 0.4), normal])) == "1 possible finding"
    three = [finding("a", 0.9), finding("b", 0.8), finding("c", 0.4)]
    assert headline(read(three)) == "2 findings present, 1 possible"


def test_every_claim_has_a_word_for_good_and_bad_news() -> None:
    assert [claim_words(claim, abnormal=True) for claim in (Claim.PRESENT, Claim.POSSIBLE, Claim.ABSENT)] == [
        "present", "possible", "not found",
    ]  # fmt: skip
    assert [claim_words(claim, abnormal=False) for claim in Claim] == ["likely", "possible", "unlikely", "not stated"]


def test_nothing_is_rounded_to_certainty() -> None:
    assert [percent(score) for score in (0.0, 0.001, 0.5, 0.9999, 1.0)] == ["0", "1", "50", "99", "100"]

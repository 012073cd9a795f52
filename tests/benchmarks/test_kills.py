"""The judge of the random kills: what it takes for lost, doubled or stuck."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from benchmarks.kill_judge import CORRECTION, Expected, Shown, Told, judge
from tracking.lists.summaries import DeliverySummary, DocumentSummary, StudySummary

DOCUMENTS = tuple(DocumentSummary(kind, f"1.{kind}", "", None, 1) for kind in ("sr", "sc", "hl7"))
STUDY = StudySummary(
    "1.9", "A", 1, datetime(2026, 1, 2, tzinfo=UTC), 1, 0, "delivered", None, None, (), (), DOCUMENTS, (), (), ()
)
WAITING = DeliverySummary("sr", "1.sr", "pacs", "waiting", 0, None, None)
EXPECTED = {"1.9": Expected(frozenset({"1.1"}))}
SHOWN = (Shown("1.sr", "1.9", None), Shown("1.sc", "1.9", "1.1"))
TOLD = {"1.9": Told("1.hl7", "hl7")}
WITHDRAWN = {"1.9": Expected(frozenset({"1.1"}), withdrawn=True)}


def test_one_truth_is_nothing_lost_doubled_or_stuck() -> None:
    verdict = judge(EXPECTED, [STUDY], SHOWN, TOLD)
    assert set(verdict.counts().values()) == {0}
    assert verdict.problems == ()


def test_a_withdrawn_study_shows_nothing_and_the_last_message_says_so() -> None:
    study = replace(STUDY, status="withdrawn")
    told = {"1.9": Told("1.note", CORRECTION)}
    assert set(judge(WITHDRAWN, [study], (), told).counts().values()) == {0}
    assert set(judge(WITHDRAWN, [study], (), {}).counts().values()) == {0}, "nobody had been told anything"
    assert judge(WITHDRAWN, [study], SHOWN, told).doubled == 1
    assert judge(WITHDRAWN, [study], (), TOLD).lost == 1


@pytest.mark.parametrize(
    ("shown", "told"),
    [(SHOWN[:1], TOLD), (SHOWN[1:], TOLD), (SHOWN, {}), (SHOWN, {"1.9": Told("1.earlier", "hl7")})],
    ids=["no capture", "no report", "no message", "an earlier message came last"],
)
def test_what_is_missing_at_a_peer_is_lost(shown: tuple[Shown, ...], told: dict[str, Told]) -> None:
    assert judge(EXPECTED, [STUDY], shown, told).counts() == {
        "lost": 1, "doubled": 0, "stuck": 0, "sent_though_rejected": 0
    }  # fmt: skip


def test_a_study_that_is_not_on_record_is_lost() -> None:
    assert judge(EXPECTED, [], (), {}).lost == 1


@pytest.mark.parametrize(
    "more",
    [Shown("1.sr2", "1.9", None), Shown("1.sc2", "1.9", "1.1"), Shown("1.x", "1.77", None)],
    ids=["two reports", "two captures of an image", "of a study that nobody sent"],
)
def test_what_is_shown_beside_the_one_truth_is_doubled(more: Shown) -> None:
    assert judge(EXPECTED, [STUDY], (*SHOWN, more), TOLD).doubled == 1


@pytest.mark.parametrize("study", [replace(STUDY, status="analysing"), replace(STUDY, deliveries=(WAITING,))])
def test_what_comes_to_no_end_is_stuck(study: StudySummary) -> None:
    assert judge(EXPECTED, [study], SHOWN, TOLD).stuck == 1

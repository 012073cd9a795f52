"""The canary: a phantom that goes all the way round from time to time, and what became of the last one.

Its patient is nobody: :data:`PATIENT_NAME`. One canary is good when it was delivered with the scores that the last
good one had from the same model.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.settings import CanarySettings
from tracking.engine.clock import now_ms
from tracking.jobs import schedules
from tracking.lists import search_forms
from tracking.lists.summaries import StudySummary
from tracking.studies.deletion import DELETABLE
from tracking.tables.models import ScheduledRun
from tracking.tables.standing_models import Standing

SCHEDULE = "canary"
PATIENT_ID, PATIENT_NAME = "CXRNODE-CANARY", "CANARY^CXRNODE"
SCORE_DIFFERENCE = 0.01
"""Two engines on other processors differ by less; another model or a damaged one by more."""
_MOST_OLD = 10
_STOPPED = ("attention", "conflict", "not-analysed", "rejected", "withdrawn")


class State(StrEnum):
    """What became of a canary."""

    UNDER_WAY = "under-way"
    GOOD = "good"
    LATE = "late"
    NOT_SENT = "not-sent"
    STOPPED = "stopped"
    OTHER_RESULT = "other-result"


@dataclass(frozen=True, slots=True)
class Canary:
    """The last canary; times in milliseconds by the database's clock.

    ``model`` and ``scores`` by label are those of the last good one, which came round at ``good_at``, 0 for never.
    """

    study_uid: str = ""
    state: State = State.UNDER_WAY
    reason: str = ""
    sent_at: int = 0
    good_at: int = 0
    model: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)


def begin(tx: Session, settings: CanarySettings, study_uid: str) -> bool:
    """Say whether a canary is due, and note that this study is the next one."""
    if settings.every_minutes is None or not schedules.begin(tx, SCHEDULE, timedelta(minutes=settings.every_minutes)):
        return False
    last = last_canary(tx) or Canary()
    keep(
        tx,
        replace(last, study_uid=study_uid, state=State.UNDER_WAY, reason="", sent_at=tx.scalar(select(now_ms())) or 0),
    )
    return True


def keep(tx: Session, canary: Canary) -> None:
    """Note what became of the canary."""
    schedules.end(tx, SCHEDULE, json.dumps(asdict(canary)))


def last_canary(read: Session) -> Canary | None:
    """Return the last canary; None before the first."""
    text = read.scalar(select(ScheduledRun.outcome).where(ScheduledRun.name == SCHEDULE))
    if not text:
        return None
    values = json.loads(text)
    return Canary(**{**values, "state": State(values["state"])})


def judge(canary: Canary, summary: StudySummary | None, settings: CanarySettings, now: int) -> Canary:
    """Say what became of a canary that is under way or late, by where its study stands at ``now``."""
    if summary is not None and summary.status == "delivered":
        return _judge_result(canary, summary, now)
    stands = "was not received" if summary is None else f"stands as {summary.status}"
    if summary is not None and summary.status in _STOPPED:
        return replace(canary, state=State.STOPPED, reason=stands)
    if now - canary.sent_at > settings.late_minutes * 60_000:
        return replace(canary, state=State.LATE, reason=stands)
    return canary


def trouble(canary: Canary | None, settings: CanarySettings, now: int) -> str:
    """Say what is wrong with the canary, or nothing."""
    if settings.every_minutes is None or canary is None:
        return ""
    if canary.state in {State.LATE, State.NOT_SENT, State.STOPPED, State.OTHER_RESULT}:
        return f"{canary.state}: {canary.reason}"
    since = canary.good_at or canary.sent_at
    allowed = settings.late_minutes + (settings.every_minutes if canary.good_at else 0)
    minutes = (now - since) / 60_000
    return f"none came round for {minutes:.0f} minutes" if minutes > allowed else ""


def earlier_canaries(read: Session, canary: Canary, calling_ae: str) -> list[str]:
    """Return studies of canaries before this one that may be deleted; one that stopped is left for a person."""
    query = select(Standing.study_uid).where(
        Standing.patient_id == search_forms.identifier(PATIENT_ID),
        Standing.calling_ae == calling_ae,
        Standing.study_uid != canary.study_uid,
        Standing.status.in_(DELETABLE),
    )
    return list(read.scalars(query.order_by(Standing.received_at).limit(_MOST_OLD)))


def _judge_result(canary: Canary, summary: StudySummary, now: int) -> Canary:
    scores = {finding.label: round(finding.score, 4) for finding in summary.findings}
    if canary.model == summary.model and canary.scores:
        labels = scores.keys() | canary.scores.keys()
        other = sorted(
            label
            for label in labels
            if abs(scores.get(label, -1.0) - canary.scores.get(label, -1.0)) > SCORE_DIFFERENCE
        )
        if other:
            return replace(canary, state=State.OTHER_RESULT, reason=f"another score than before: {', '.join(other)}")
    return replace(canary, state=State.GOOD, reason="", good_at=now, model=summary.model or "", scores=scores)

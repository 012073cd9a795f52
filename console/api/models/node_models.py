"""Destinations, refusals and the audit log."""

from datetime import datetime

from console.api.models.answer import Answer
from console.api.models.study_models import HistoryLine


class Destination(Answer):
    """What waits for a destination, and whether it is paused."""

    name: str
    kind: str | None
    """``dicom`` or ``hl7``; null where the settings no longer have it."""
    waiting: int
    stopped: int
    delivered: int
    """Counted up to a bound."""
    not_taken: int
    failures: int
    paused_until: datetime | None
    """Until when nothing is sent after failures."""
    held_since: datetime | None
    """Since when somebody has paused it; null where nobody has."""
    error: str | None
    last_error: str | None


class StoppedDelivery(Answer):
    """A delivery that waits for a person."""

    study_uid: str
    kind: str
    destination: str
    attempts: int
    error: str
    stopped_at: datetime | None


class DestinationList(Answer):
    """All destinations, and the newest deliveries that wait for a person."""

    destinations: tuple[Destination, ...]
    stopped: tuple[StoppedDelivery, ...]


class Refusal(Answer):
    """What the receiver refused, how often, and the setting that would change it."""

    kind: str
    reason: str
    cure: str
    calling_ae: str
    called_ae: str
    address: str
    sop_class_uid: str
    transfer_syntax_uid: str
    count: int
    first_at: datetime
    last_at: datetime


class RefusalList(Answer):
    """Refusals, the latest first."""

    refusals: tuple[Refusal, ...]


class AuditLines(Answer):
    """Lines of the audit log in their order, the newest last."""

    lines: tuple[HistoryLine, ...]
    before: int | None
    """Give it as ``before`` for the lines before these; null where there are none."""

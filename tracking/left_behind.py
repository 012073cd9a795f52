"""Documents that destinations have of results that do not hold any more: of another patient, or of other images.

A correction supersedes what was said, but what an archive has taken stays there until somebody removes it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.clock import to_datetime
from tracking.models import Analysis, Delivery, Document, Study

_KEPT_BY_ARCHIVES = ("sr", "sc", "map")
"""A message is answered by a later message; these stay beside the later ones."""


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """One document at one destination, of an analysis that is void by a decision on the study's images."""

    kind: str
    document_uid: str
    destination: str
    delivered_at: datetime | None


def left_behind(read: Session, study_uid: str) -> list[LeftBehind]:
    """Return the documents of a study's void analyses that destinations have, in the order of their delivery."""
    rows = read.execute(
        select(Document.kind, Document.uid, Delivery.destination, Delivery.finished_at)
        .join(Document, Delivery.document_id == Document.id)
        .join(Analysis, Document.analysis_id == Analysis.id)
        .join(Study, Analysis.study_uid == Study.study_uid)
        .where(
            Study.study_uid == study_uid,
            Analysis.revision < Study.valid_from,
            Delivery.state == "delivered",
            Document.kind.in_(_KEPT_BY_ARCHIVES),
        )
        .order_by(Delivery.finished_at, Delivery.id)
    )
    return [
        LeftBehind(kind, uid, destination, None if finished is None else to_datetime(finished))
        for kind, uid, destination, finished in rows
    ]

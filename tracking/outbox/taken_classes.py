"""Which SR storage class each destination takes, as it answered last."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.destinations import Destination, DicomDestination
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms
from tracking.jobs import queue
from tracking.outbox.document_kinds import REPORT
from tracking.tables.models import TakenReportClass

NONE = "none"
"""Stands in the audit log for no class at all."""
TAKES_NONE = "takes no structured report"


def taken_classes(read: Session) -> dict[str, str | None]:
    """Return the SOP Class UID by destination, None for one that takes no structured report.

    A destination that was never asked is not in it.
    """
    rows = read.execute(select(TakenReportClass.destination, TakenReportClass.sop_class_uid))
    return {row[0]: row[1] for row in rows}


def record_taken(tx: Session, destination: str, sop_class_uid: str | None, *, assumed: str) -> None:
    """Remember what a destination takes; each change has one audit line.

    Parameters
    ----------
    tx
        The transaction of the delivery that found it out.
    destination
        The destination's name.
    sop_class_uid
        The SR storage class, or None.
    assumed
        What is taken for granted of a destination that was never asked: to find just that is no change.
    """
    before = taken_classes(tx).get(destination, assumed)
    values = {"sop_class_uid": sop_class_uid, "since": now_ms()}
    # Deliveries on several associations may find out the same at once: the database says which of them changed it.
    changed = tx.scalar(
        queue.upsert(tx)(TakenReportClass)
        .values(destination=destination, **values)
        .on_conflict_do_update(
            index_elements=["destination"],
            set_=values,
            where=TakenReportClass.sop_class_uid.is_distinct_from(sop_class_uid),
        )
        .returning(TakenReportClass.destination)
    )
    if changed is not None and before != sop_class_uid:
        audit.append(
            tx,
            AuditEventType.REPORT_CLASS_CHANGED,
            detail={"destination": destination, "before": before or NONE, "now": sop_class_uid or NONE},
        )


def report_words(destination: Destination, taken: Mapping[str, str | None]) -> str:
    """Say in which class a destination gets structured reports; empty where it gets none by the settings.

    ``taken`` is what :func:`taken_classes` returns.
    """
    if not isinstance(destination, DicomDestination) or REPORT.name not in destination.documents:
        return ""
    if destination.report_class != "auto":
        return f"structured report: {destination.report_class}, by the settings"
    if destination.name not in taken:
        return "structured report: not asked yet which class it takes"
    uid = taken[destination.name]
    if uid is None:
        return TAKES_NONE
    from pydicom.uid import UID  # half a second that only this answer needs

    return f"structured report: {UID(uid).name.removesuffix(' Storage')}"

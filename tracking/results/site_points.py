"""Site points: the operating points that a site set in the place of its package's, one row a finding.

The database is the one place that says what holds. A row comes from the settings file, written when a service starts,
or from a person, on the page of the points or by command; a person's row stands until it is reset.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms, to_datetime
from tracking.jobs import queue
from tracking.people.users import Actor
from tracking.tables.models import SitePoint

Pair = tuple[float, float]
"""The sensitive and the specific point, 0 to 1."""


class Source(StrEnum):
    """Who set a site point."""

    SETTINGS = "settings"
    """``inference.operating_points`` in the settings file."""
    PAGE = "page"
    """A person, on the page of the points, by command or over the API."""


@dataclass(frozen=True, slots=True)
class SitePoints:
    """The two points of one finding here, who set them and when."""

    sensitive: float
    specific: float
    source: Source
    changed_by: str
    changed_at: datetime

    @property
    def pair(self) -> Pair:
        """Return both points."""
        return self.sensitive, self.specific


def site_points(read: Session, package: str) -> dict[str, SitePoints]:
    """Return the site's points for a package, by the label of their finding."""
    rows = read.scalars(select(SitePoint).where(SitePoint.package == package).order_by(SitePoint.label))
    return {
        row.label: SitePoints(
            row.sensitive, row.specific, Source(row.source), row.changed_by, to_datetime(row.changed_at)
        )
        for row in rows
    }


def take_settings(tx: Session, package: str, points: Mapping[str, Pair]) -> None:
    """Write what the settings file says, as a service starts; what a person set stands."""
    standing = site_points(tx, package)
    for label in sorted({*standing, *points}):
        now, wanted = standing.get(label), points.get(label)
        if now is not None and (now.source is Source.PAGE or now.pair == wanted):
            continue
        _write(tx, package, label, wanted, Source.SETTINGS, Actor("settings"), now)


def check_points(wanted: Pair) -> None:
    """Raise ActionRefused where two numbers are no operating points."""
    sensitive, specific = wanted
    if not (0 <= sensitive <= 1 and 0 <= specific <= 1):
        msg = "both points are shares from 0 to 100 %"
        raise ActionRefused(msg)
    if sensitive > specific:
        msg = "the sensitive point must not be above the specific one"
        raise ActionRefused(msg)


def set_points(tx: Session, package: str, label: str, wanted: Pair, *, by: Actor) -> bool:
    """Set the points of a finding; False where a person set them so already.

    Raises
    ------
    ActionRefused
        They are no shares of 1, or the sensitive one is above the specific one. Nothing has changed.
    """
    check_points(wanted)
    now = site_points(tx, package).get(label)
    if now is not None and now.source is Source.PAGE and now.pair == wanted:
        return False
    _write(tx, package, label, wanted, Source.PAGE, by, now)
    return True


def reset_points(tx: Session, package: str, label: str, settings: Pair | None, *, by: Actor) -> bool:
    """Take back what a person set: the settings file holds again, or the package; False where no person had set any.

    ``settings`` is what the settings file says of the finding.
    """
    now = site_points(tx, package).get(label)
    if now is None or now.source is not Source.PAGE:
        return False
    _write(tx, package, label, settings, Source.SETTINGS, by, now)
    return True


def _write(
    tx: Session, package: str, label: str, wanted: Pair | None, source: Source, by: Actor, before: SitePoints | None
) -> None:
    if wanted is None:
        where = (SitePoint.package == package, SitePoint.label == label)
        tx.execute(delete(SitePoint).where(*where).execution_options(synchronize_session=False))
    else:
        values = {
            "sensitive": wanted[0], "specific": wanted[1], "source": source.value, "changed_by": by.name,
            "changed_at": now_ms(),
        }  # fmt: skip
        tx.execute(
            queue.upsert(tx)(SitePoint)
            .values(package=package, label=label, **values)
            .on_conflict_do_update(index_elements=["package", "label"], set_=values)
        )
    tx.expire_all()
    detail: audit.Detail = {
        "package": package, "finding": label, "source": "package" if wanted is None else source.value,
        "sensitive": wanted and wanted[0], "specific": wanted and wanted[1],
        "before": "package" if before is None else before.source.value,
        "sensitive_before": None if before is None else before.sensitive,
        "specific_before": None if before is None else before.specific,
    }  # fmt: skip
    audit.append(tx, AuditEventType.POINTS_CHANGED, detail=detail | by.detail())

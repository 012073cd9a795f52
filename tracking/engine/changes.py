"""Which studies a transaction changed: :mod:`tracking.lists.standing` derives where they stand as it ends."""

from sqlalchemy.orm import Session

_CHANGED = "changed_studies"


def study_changed(tx: Session, study_uid: str) -> None:
    """Note that something was written from which it follows where a study stands."""
    tx.info.setdefault(_CHANGED, set()).add(study_uid)


def changed_studies(tx: Session) -> list[str]:
    """Return the studies that were noted, and forget them; in the order in which their rows are to be locked."""
    return sorted(tx.info.pop(_CHANGED, ()))

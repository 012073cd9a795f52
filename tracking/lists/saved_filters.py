"""Filters of the worklist that users have given names, each user their own.

What is filtered by may name a patient, and so may a name: for the screen of its user, never for a log.
"""

from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.jobs import queue
from tracking.people import users
from tracking.people.users import Actor
from tracking.tables.user_models import SavedFilter as Row
from tracking.tables.user_models import User

MOST = 30
"""Filters of one user."""
LONGEST_NAME = 60
_LONGEST_QUERY = 1024


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A filter with its name; ``query`` is the query of the worklist's address, such as ``?status=conflict``."""

    name: str
    query: str


def saved_filters(read: Session, user: str) -> list[SavedFilter]:
    """Return the filters of a user by name."""
    rows = read.scalars(select(Row).join(User, Row.user_id == User.id).where(User.name == user).order_by(Row.name))
    return [SavedFilter(row.name, row.query) for row in rows]


def save(tx: Session, name: str, query: str, *, by: Actor) -> None:
    """Save a filter, in the place of one of the same name.

    Raises
    ------
    ActionRefused
        The name is empty or too long, or there are :data:`MOST` already.
    """
    if not 1 <= len(name) <= LONGEST_NAME or len(query) > _LONGEST_QUERY:
        msg = f"the name of a filter has 1 to {LONGEST_NAME} characters"
        raise ActionRefused(msg)
    user = users.named(tx, by.name)
    statement = queue.upsert(tx)(Row).values(user_id=user.id, name=name, query=query)
    tx.execute(statement.on_conflict_do_update(index_elements=["user_id", "name"], set_={"query": query}))
    if (tx.scalar(select(func.count()).where(Row.user_id == user.id)) or 0) > MOST:
        msg = f"there are {MOST} saved filters already: delete one first"
        raise ActionRefused(msg)
    _note(tx, by, "saved")


def remove(tx: Session, name: str, *, by: Actor) -> None:
    """Delete a filter; one that is not there is gone already."""
    user = users.named(tx, by.name)
    found = tx.scalar(delete(Row).where(Row.user_id == user.id, Row.name == name).returning(Row.name))
    if found is not None:
        _note(tx, by, "deleted")


def _note(tx: Session, by: Actor, what: str) -> None:
    audit.append(tx, AuditEventType.FILTER_CHANGED, detail={"what": what, **by.detail()})

"""Logins for tests: who changes users, when sessions end, what was audited, and time that passes."""

import json
from typing import Any

from sqlalchemy import select, update

from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people.user_sessions import Limits
from tracking.people.users import Actor
from tracking.tables.models import AuditEvent
from tracking.tables.user_models import LoginFailures

LIMITS = Limits(600, 3600)
OPERATOR = Actor("root")


def noted(database: Database, kind: AuditEventType) -> list[dict[str, Any]]:
    """Return the details of the audit lines of one type."""
    with database.reading() as read:
        return [json.loads(line.detail) for line in read.scalars(select(AuditEvent).where(AuditEvent.type == kind))]


def pass_time(database: Database, seconds: float) -> None:
    """Move the failed logins on record into the past."""
    by = int(1000 * seconds)
    with database.transaction() as tx:
        tx.execute(
            update(LoginFailures).values(
                last_at=LoginFailures.last_at - by, locked_until=LoginFailures.locked_until - by
            )
        )

"""Sessions: who is logged in. The browser holds the token, the database its SHA-256 only."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from tracking.engine.clock import now_ms
from tracking.people.roles import Role
from tracking.people.users import Identity
from tracking.tables.user_models import User, UserSession

_TOKEN_BYTES = 32
_SEEN_EVERY_MS = 60_000
"""A session's last use is written at most so often, and at least ten times within the idle time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a session ends by itself, in seconds: after its last use, and after the login."""

    idle_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that has not ended."""

    identity: Identity
    seen_is_old: bool
    """:func:`touch` has something to write."""


def new_token() -> str:
    """Return a new secret of 256 bits, for a cookie or a header."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest(token: str) -> str:
    """Return what is kept of a token. One with 256 random bits needs no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def begin(tx: Session, user: User) -> str:
    """Begin a session; return its token, which is nowhere else."""
    token = new_token()
    tx.add(UserSession(token_digest=digest(token), user_id=user.id))
    return token


def find(read: Session, token: str, limits: Limits) -> OpenSession | None:
    """Return the session of a token, unless it has ended or its user is disabled."""
    now = read.scalar(select(now_ms())) or 0
    row = read.execute(
        select(User.name, User.role, User.must_change, UserSession.seen_at)
        .join(UserSession, UserSession.user_id == User.id)
        .where(
            UserSession.token_digest == digest(token),
            UserSession.seen_at > now - 1000 * limits.idle_seconds,
            UserSession.started_at > now - 1000 * limits.total_seconds,
            User.disabled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    seen_is_old = now - row.seen_at >= min(_SEEN_EVERY_MS, 100 * limits.idle_seconds)
    return OpenSession(Identity(row.name, Role(row.role), row.must_change), seen_is_old)


def still_open(read: Session, tokens: Collection[str], limits: Limits) -> dict[str, Role]:
    """Return those of the tokens whose sessions have not ended, with the role that the user has now."""
    now = read.scalar(select(now_ms())) or 0
    by_digest = {digest(token): token for token in tokens}
    rows = read.execute(
        select(UserSession.token_digest, User.role)
        .join(User, UserSession.user_id == User.id)
        .where(
            UserSession.token_digest.in_(by_digest),
            UserSession.seen_at > now - 1000 * limits.idle_seconds,
            UserSession.started_at > now - 1000 * limits.total_seconds,
            User.disabled_at.is_(None),
        )
    )
    return {by_digest[found]: Role(role) for found, role in rows}


def touch(tx: Session, token: str) -> None:
    """Note that a session is in use."""
    tx.execute(update(UserSession).where(UserSession.token_digest == digest(token)).values(seen_at=now_ms()))


def end(tx: Session, token: str) -> None:
    """End a session, if there is one."""
    tx.execute(delete(UserSession).where(UserSession.token_digest == digest(token)))


def purge(tx: Session, limits: Limits) -> None:
    """Delete sessions that have ended by themselves."""
    now = tx.scalar(select(now_ms())) or 0
    tx.execute(
        delete(UserSession).where(
            or_(
                UserSession.seen_at <= now - 1000 * limits.idle_seconds,
                UserSession.started_at <= now - 1000 * limits.total_seconds,
            )
        )
    )

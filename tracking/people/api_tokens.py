"""API tokens: a program acts for a user, within scopes. A token is shown once; the database has its SHA-256 only."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms, to_datetime
from tracking.people import users
from tracking.people.roles import Role, Scope
from tracking.people.user_sessions import digest, new_token
from tracking.people.users import Actor, Identity
from tracking.tables.user_models import ApiToken, User

PREFIX = "cxrnode_"
"""Begins every token, so that scanners for leaked secrets know one."""
_DAY_MS = 24 * 3600 * 1000
_LONGEST_PURPOSE = 80


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Who a token stands for, and what it is good for."""

    identity: Identity
    scopes: frozenset[Scope]
    token: str = ""
    """Its number and purpose, as the audit log names it."""


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """A token as lists show it."""

    id: int
    user: str
    scopes: tuple[Scope, ...]
    purpose: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def add(
    tx: Session, name: str, scopes: Collection[Scope], *, by: Actor, purpose: str = "", days: int | None = None
) -> str:
    """Make a token for a user; return it, which is nowhere else. Raises :class:`ActionRefused`: no such user."""
    user = users.named(tx, name)
    if len(purpose) > _LONGEST_PURPOSE or not purpose.isprintable():
        msg = f"the purpose of a token is at most {_LONGEST_PURPOSE} printable characters"
        raise ActionRefused(msg)
    now = tx.scalar(select(now_ms())) or 0
    token = PREFIX + new_token()
    words = " ".join(sorted(scopes))
    row = ApiToken(
        token_digest=digest(token), user_id=user.id, scopes=words, purpose=purpose,
        expires_at=None if days is None else now + days * _DAY_MS,
    )  # fmt: skip
    tx.add(row)
    tx.flush()
    _note(tx, by, "token-added", user.name, row.id, scopes=words)
    return token


def find(read: Session, token: str) -> TokenHolder | None:
    """Return who a token stands for, unless it was revoked, has expired, or its user is disabled."""
    row = read.execute(
        select(User.name, User.role, ApiToken.scopes, ApiToken.id, ApiToken.purpose)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(
            ApiToken.token_digest == digest(token),
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now_ms()),
            User.disabled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    scopes = frozenset(map(Scope, row.scopes.split()))
    return TokenHolder(Identity(row.name, Role(row.role)), scopes, f"{row.id} {row.purpose}".strip())


def every(read: Session) -> list[TokenSummary]:
    """Return all tokens, oldest first."""
    rows = read.execute(select(ApiToken, User.name).join(User, ApiToken.user_id == User.id).order_by(ApiToken.id))
    return [
        TokenSummary(
            token.id, name, tuple(map(Scope, token.scopes.split())), token.purpose, to_datetime(token.created_at),
            *(None if at is None else to_datetime(at) for at in (token.expires_at, token.revoked_at)),
        )
        for token, name in rows
    ]  # fmt: skip


def revoke(tx: Session, number: int, *, by: Actor) -> None:
    """End a token. Raises :class:`ActionRefused`: no such token."""
    token = tx.get(ApiToken, number)
    if token is None:
        msg = f"there is no token {number}; `cxrnode token list` shows all"
        raise ActionRefused(msg)
    if token.revoked_at is None:
        token.revoked_at = tx.scalar(select(now_ms()))
        _note(tx, by, "token-revoked", tx.get_one(User, token.user_id).name, number)


def _note(tx: Session, by: Actor, what: str, subject: str, token: int, **more: str) -> None:
    detail: audit.Detail = {"what": what, "subject": subject, "token": token, **more, **by.detail()}
    audit.append(tx, AuditEventType.USER_CHANGED, detail=detail)

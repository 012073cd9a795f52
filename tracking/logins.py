"""Logging in with name and password, and out again.

A wrong name, a wrong password and a disabled user get the same answer after the same work, so that nobody learns which
names there are.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking import audit, lockout, passwords, user_sessions, users
from tracking.audit import AuditEventType
from tracking.clock import now_ms
from tracking.database import Database
from tracking.roles import Role
from tracking.user_models import User
from tracking.user_sessions import Limits
from tracking.users import Actor, Identity


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A login that was right; ``token`` is that of the new session."""

    identity: Identity
    token: str


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """A login that was wrong, or that came too soon after others that were."""

    wait_seconds: int = 0


@dataclass(frozen=True, slots=True)
class _Proof:
    """A password that was right, and the hash that it was compared with."""

    password_hash: str
    failures_before: int


def log_in(
    database: Database, name: str, password: str, *, address: str, limits: Limits, replaces: str = ""
) -> LoggedIn | LoginRefused:
    """Compare name and password and begin a session.

    Parameters
    ----------
    database, limits
        Where users are, and when sessions end.
    name, password
        As they were typed.
    address
        Where the login comes from, as the network says it.
    replaces
        The token that the browser brought, whose session ends.
    """
    proof = _compare(database, name, password, address)
    if isinstance(proof, LoginRefused):
        return proof
    outdated = passwords.is_outdated(proof.password_hash)
    new_hash = passwords.hash_password(password) if outdated else proof.password_hash
    with database.transaction() as tx:
        user = _unchanged(tx, name, proof)
        if user is None:
            return LoginRefused()
        user.password_hash, user.last_login_at = new_hash, tx.scalar(select(now_ms()))
        lockout.succeed(tx, user.name, address)
        lockout.purge(tx)
        user_sessions.purge(tx, limits)
        user_sessions.end(tx, replaces)
        detail: audit.Detail = {
            "user": user.name, "address": address, "role": user.role, "failed_before": proof.failures_before,
        }  # fmt: skip
        audit.append(tx, AuditEventType.USER_LOGIN, detail=detail)
        return LoggedIn(Identity(user.name, Role(user.role), user.must_change), user_sessions.begin(tx, user))


def log_out(tx: Session, token: str, identity: Identity, address: str) -> None:
    """End a session at its user's wish."""
    user_sessions.end(tx, token)
    audit.append(tx, AuditEventType.USER_LOGOUT, detail={"user": identity.name, "address": address})


def change_password(
    database: Database, identity: Identity, old: str, new: str, *, address: str
) -> LoggedIn | LoginRefused:
    """Change one's own password: all sessions end, and a new one begins.

    Raises
    ------
    ActionRefused
        The new password is easily guessed, or is the old one.
    """
    passwords.check(new, identity.name)
    passwords.check_differs(old, new)
    proof = _compare(database, identity.name, old, address)
    if isinstance(proof, LoginRefused):
        return proof
    new_hash = passwords.hash_password(new)
    with database.transaction() as tx:
        if _unchanged(tx, identity.name, proof) is None:
            return LoginRefused()
        lockout.succeed(tx, identity.name, address)
        user = users.set_password(tx, identity.name, new_hash, by=Actor(identity.name, address))
        return LoggedIn(Identity(user.name, Role(user.role)), user_sessions.begin(tx, user))


def _compare(database: Database, name: str, password: str, address: str) -> _Proof | LoginRefused:
    """Compare a password outside of any transaction, as it takes long, between counting and answering."""
    kept = users.folded(name)
    with database.reading() as read:
        wait = lockout.wait_left(read, kept, address)
    if wait:
        return LoginRefused(wait)
    with database.transaction() as tx:
        attempt = lockout.begin(tx, kept, address)
        user = users.find(tx, kept)
    if attempt.wait_seconds:
        return LoginRefused(attempt.wait_seconds)
    known_hash = user.password_hash if user is not None and user.disabled_at is None else None
    if passwords.is_right(known_hash, password) and known_hash is not None:
        return _Proof(known_hash, attempt.user_failures)
    _note_failure(database, user, address, attempt.user_failures + 1)
    return LoginRefused()


def _unchanged(tx: Session, name: str, proof: _Proof) -> User | None:
    """Return the user, unless an administrator disabled them or changed their password meanwhile."""
    user = users.find(tx, name)
    if user is None or user.disabled_at is not None or user.password_hash != proof.password_hash:
        return None
    return user


def _note_failure(database: Database, user: User | None, address: str, failures: int) -> None:
    """Write the first, tenth, hundredth … failure in a row into the audit log: of each user, and of all other names."""
    with database.transaction() as tx:
        count = failures if user is not None else lockout.count_unknown(tx)
        if str(count).rstrip("0") == "1":
            detail: audit.Detail = {"address": address, "failures": count}
            if user is not None:
                detail["user"] = user.name
            audit.append(tx, AuditEventType.LOGIN_FAILED, outcome="minor-failure", detail=detail)

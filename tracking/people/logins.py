"""Logging in with name and password or as a person of an OpenID provider, and out again.

A wrong name, a wrong password and a disabled user get the same answer after the same work, so that nobody learns which
names there are.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms
from tracking.engine.database import Database
from tracking.people import lockout, passwords, user_sessions, users
from tracking.people.roles import Role
from tracking.people.user_sessions import Limits
from tracking.people.users import Actor, Identity
from tracking.tables.user_models import User


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A login that was right; ``token`` is that of the new session."""

    identity: Identity
    token: str


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """A login that was wrong, or that came too soon after others that were."""

    wait_seconds: int = 0
    elsewhere: bool = False
    """The password is right, and yet this user has to log in with the OpenID provider."""


@dataclass(frozen=True, slots=True)
class _Proof:
    """A password that was right, and the hash that it was compared with."""

    password_hash: str
    failures_before: int


@dataclass(frozen=True, slots=True)
class Person:
    """Whom an OpenID provider has vouched for: ``iss`` and ``sub`` of the ID token, and what its claims give."""

    issuer: str
    subject: str
    name: str | None
    """The name for a new user; None where no claim holds one."""
    role: Role | None
    """None where the claims give no role."""
    keeps_role: bool = False
    """The role is for a new user only: administrators of this node give the later ones."""


def log_in(
    database: Database, name: str, password: str, *, address: str, limits: Limits, replaces: str = "",
    administrators_only: bool = False,
) -> LoggedIn | LoginRefused:  # fmt: skip
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
    administrators_only
        Others log in with the OpenID provider.
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
        lockout.succeed(tx, user.name, address)
        if administrators_only and user.role != Role.ADMINISTRATOR.value:
            _refuse(tx, user.name, address, "password where the OpenID provider is asked")
            return LoginRefused(elsewhere=True)
        user.password_hash = new_hash
        return _begin(tx, user, address, limits, replaces, {"failed_before": proof.failures_before})


def log_in_person(
    database: Database, person: Person, *, address: str, limits: Limits, replaces: str = ""
) -> LoggedIn:  # fmt: skip
    """Begin a session of a person whom an OpenID provider has vouched for, who becomes a user at the first time.

    Raises
    ------
    ActionRefused
        The user is disabled, the provider gives no role or no name, or a user with a password has the name. The
        refusal is audited.
    """
    try:
        with database.transaction() as tx:
            user = _user_of(tx, person, Actor(person.name or person.subject, address))
            return _begin(tx, user, address, limits, replaces, {"how": "openid", "issuer": person.issuer})
    except IntegrityError:  # the same person at the same moment
        msg = "this person has just become a user in another login: log in again"
        raise ActionRefused(msg) from None
    except ActionRefused as refused:
        with database.transaction() as tx:
            known = users.of_person(tx, person.issuer, person.subject)
            if known is not None:
                users.end_sessions(tx, known)  # whoever lost the role has lost it for open pages, too
            _refuse(tx, known.name if known is not None else None, address, str(refused), issuer=person.issuer)
        raise


def note_openid_failure(database: Database, address: str, because: str) -> None:
    """Audit a login that came back from the OpenID provider wrong: the first, tenth, hundredth … in a row."""
    with database.transaction() as tx:
        count = lockout.count_unknown(tx)
        if _is_written(count):
            _refuse(tx, None, address, because, failures=count)


def _user_of(tx: Session, person: Person, by: Actor) -> User:
    """Return the user that a person is, with the role of now."""
    user = users.of_person(tx, person.issuer, person.subject)
    if user is not None and user.disabled_at is not None:
        msg = "this user is disabled here; an administrator enables users (`cxrnode user enable`)"
        raise ActionRefused(msg)
    if person.role is None and (user is None or not person.keeps_role):
        msg = "the provider gives no role for this console; whoever runs the provider gives the group for it"
        raise ActionRefused(msg)
    if user is None:
        if person.name is None:
            msg = "no claim of the provider is a user name here; console.openid.name_claims chooses other ones"
            raise ActionRefused(msg)
        if users.find(tx, person.name) is not None:
            msg = f"another user has the name {users.folded(person.name)} already; an administrator joins the two "
            msg += "(`cxrnode user openid NAME SUBJECT`)"
            raise ActionRefused(msg)
        assert person.role is not None  # noqa: S101 - refused above
        return users.add_person(tx, person.name, person.role, person.issuer, person.subject, by=by)
    if person.role is not None and not person.keeps_role:
        users.set_role(tx, user.name, person.role, by=Actor(user.name, by.address))
    return user


def _begin(
    tx: Session, user: User, address: str, limits: Limits, replaces: str, more: audit.Detail
) -> LoggedIn:  # fmt: skip
    """Begin a session in place of the one that the browser brought."""
    user.last_login_at = tx.scalar(select(now_ms()))
    lockout.purge(tx)
    user_sessions.purge(tx, limits)
    user_sessions.end(tx, replaces)
    detail: audit.Detail = {"user": user.name, "address": address, "role": user.role, **more}
    audit.append(tx, AuditEventType.USER_LOGIN, detail=detail)
    return LoggedIn(Identity(user.name, Role(user.role), user.must_change), user_sessions.begin(tx, user))


def _refuse(tx: Session, user: str | None, address: str, because: str, **more: str | int) -> None:
    """Write into the audit log why somebody is not let in whom a provider or a password has shown."""
    detail: audit.Detail = {"address": address, "because": because, **more}
    if user is not None:
        detail["user"] = user
    audit.append(tx, AuditEventType.LOGIN_FAILED, outcome="minor-failure", detail=detail)


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
    has_password = user is not None and user.disabled_at is None and user.issuer is None
    known_hash = user.password_hash if user is not None and has_password else None
    if passwords.is_right(known_hash, password) and known_hash is not None:
        return _Proof(known_hash, attempt.user_failures)
    _note_failure(database, user, address, attempt.user_failures + 1)
    return LoginRefused()


def _unchanged(tx: Session, name: str, proof: _Proof) -> User | None:
    """Return the user, unless an administrator disabled them or changed their password meanwhile."""
    user = users.find(tx, name)
    closed = user is None or user.disabled_at is not None or user.issuer is not None
    if closed or user is None or user.password_hash != proof.password_hash:
        return None
    return user


def _note_failure(database: Database, user: User | None, address: str, failures: int) -> None:
    """Write the first, tenth, hundredth … failure in a row into the audit log: of each user, and of all other names."""
    with database.transaction() as tx:
        count = failures if user is not None else lockout.count_unknown(tx)
        if _is_written(count):
            detail: audit.Detail = {"address": address, "failures": count}
            if user is not None:
                detail["user"] = user.name
            audit.append(tx, AuditEventType.LOGIN_FAILED, outcome="minor-failure", detail=detail)


def _is_written(count: int) -> bool:
    return str(count).rstrip("0") == "1"

"""Who may use the console: names, roles, and what an administrator changes about them. Each change is audited."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms, to_datetime
from tracking.engine.database import Database
from tracking.people import lockout, passwords
from tracking.people.roles import Role
from tracking.tables.user_models import User, UserSession

LONGEST_NAME = 64
LONGEST_SUBJECT = 255
"""OpenID Connect Core 2: ``sub`` has at most 255 ASCII characters."""
FIRST_NAME = "admin"
_MARKS_IN_NAMES = frozenset("._-@")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, as a login or a token has shown."""

    name: str
    role: Role
    must_change: bool = False
    """Has to choose a password before anything else."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something: a user of the console, or of the command line as the operating system names them."""

    name: str
    address: str = ""
    token: str = ""
    """The API token with which a program acts for them."""

    def detail(self) -> audit.Detail:
        """Return what the audit log says of them."""
        more = {"address": self.address, "token": self.token}
        return {"user": self.name, **{name: value for name, value in more.items() if value}}


@dataclass(frozen=True, slots=True)
class UserSummary:
    """A user as lists show them."""

    name: str
    role: Role
    disabled: bool
    must_change: bool
    waits_seconds: int
    """How long failed logins keep this user out yet."""
    created_at: datetime
    password_at: datetime
    last_login_at: datetime | None
    issuer: str | None = None
    """The OpenID provider that this user logs in with; None for a user with a password."""


def folded(name: str) -> str:
    """Return the one form under which a name is kept and looked up: NFKC, small letters (RFC 8265 3.3)."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def check_name(name: str) -> str:
    """Return the folded form of a new user's name.

    Raises
    ------
    ActionRefused
        It is empty, too long, or has other characters than letters, digits and ``. _ - @``.
    """
    kept = folded(name)
    if not is_name(kept):
        msg = f"a user name has 1 to {LONGEST_NAME} letters, digits and . _ - @, and begins with a letter or digit"
        raise ActionRefused(msg)
    return kept


def add(tx: Session, name: str, role: Role, password_hash: str, *, by: Actor, must_change: bool = False) -> User:
    """Add a user.

    Raises
    ------
    ActionRefused
        The name is none, or somebody has it.
    """
    kept = check_name(name)
    if find(tx, kept) is not None:
        msg = f"there is a user {kept} already; `cxrnode user list` shows all"
        raise ActionRefused(msg)
    user = User(name=kept, role=role.value, password_hash=password_hash, must_change=must_change)
    tx.add(user)
    tx.flush()
    _note(tx, by, "added", kept, role=role.value)
    return user


def set_password(tx: Session, name: str, password_hash: str, *, by: Actor, must_change: bool = False) -> User:
    """Change a password, end the user's sessions and waiting time.

    Raises
    ------
    ActionRefused
        There is no such user, or it is a person of an OpenID provider, which keeps the password.
    """
    user = named(tx, name)
    if user.issuer is not None:
        msg = f"{user.name} logs in with {user.issuer} and has no password here: it is changed there"
        raise ActionRefused(msg)
    user.password_hash, user.must_change = password_hash, must_change
    user.password_at = tx.scalar(select(now_ms())) or 0
    end_sessions(tx, user)
    lockout.forget_user(tx, user.name)
    _note(tx, by, "password", user.name)
    return user


def set_role(tx: Session, name: str, role: Role, *, by: Actor) -> None:
    """Change a role, from the user's next request on. Raises :class:`ActionRefused`: no such user."""
    user = named(tx, name)
    if user.role != role.value:
        user.role = role.value
        _note(tx, by, "role", user.name, role=role.value)


def disable(tx: Session, name: str, *, by: Actor) -> None:
    """Keep a user out and end their sessions at once. Raises :class:`ActionRefused`: no such user."""
    user = named(tx, name)
    end_sessions(tx, user)
    if user.disabled_at is None:
        user.disabled_at = tx.scalar(select(now_ms()))
        _note(tx, by, "disabled", user.name)


def enable(tx: Session, name: str, *, by: Actor) -> None:
    """Let a user in again, also one who waits after failed logins. Raises :class:`ActionRefused`: no such user."""
    user = named(tx, name)
    lockout.forget_user(tx, user.name)
    user.disabled_at = None
    _note(tx, by, "enabled", user.name)


def link(tx: Session, name: str, issuer: str, subject: str, *, by: Actor) -> None:
    """Make a user a person of an OpenID provider: the password ends, and so do the user's sessions.

    Raises
    ------
    ActionRefused
        There is no such user, or that person of the provider is another user already.
    """
    user = named(tx, name)
    if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        msg = f"the subject of a person is 1 to {LONGEST_SUBJECT} printable characters, the claim sub of the provider"
        raise ActionRefused(msg)
    other = of_person(tx, issuer, subject)
    if other is not None and other.id != user.id:
        msg = f"that person of {issuer} is the user {other.name} already"
        raise ActionRefused(msg)
    user.issuer, user.subject, user.password_hash, user.must_change = issuer, subject, "", False
    end_sessions(tx, user)
    lockout.forget_user(tx, user.name)
    _note(tx, by, "openid", user.name, issuer=issuer)


def add_person(tx: Session, name: str, role: Role, issuer: str, subject: str, *, by: Actor) -> User:
    """Add a person of an OpenID provider. Raises :class:`ActionRefused`: the name is none, or somebody has it."""
    user = add(tx, name, role, "", by=by)
    user.issuer, user.subject = issuer, subject
    tx.flush()
    return user


def of_person(read: Session, issuer: str, subject: str) -> User | None:
    """Return the user that a person of an OpenID provider is."""
    return read.scalar(select(User).where(User.issuer == issuer, User.subject == subject))


def find(read: Session, name: str) -> User | None:
    """Return the user of a name, in any spelling of it."""
    kept = folded(name)
    return read.scalar(select(User).where(User.name == kept)) if is_name(kept) else None


def named(read: Session, name: str) -> User:
    """Return the user of a name; raises :class:`ActionRefused` when there is none."""
    user = find(read, name)
    if user is None:
        msg = "there is no user of this name; `cxrnode user list` shows all"
        raise ActionRefused(msg)
    return user


def every(read: Session) -> list[UserSummary]:
    """Return all users by name."""
    rows = list(read.scalars(select(User).order_by(User.name)))
    waiting = lockout.waiting_users(read, [row.name for row in rows])
    return [
        UserSummary(
            row.name, Role(row.role), row.disabled_at is not None, row.must_change, waiting.get(row.name, 0),
            to_datetime(row.created_at), to_datetime(row.password_at),
            None if row.last_login_at is None else to_datetime(row.last_login_at), row.issuer,
        )
        for row in rows
    ]  # fmt: skip


def there_are_users(read: Session) -> bool:
    """Say whether anybody could log in."""
    return read.scalar(select(User.id).limit(1)) is not None


def add_first_administrator(database: Database) -> str | None:
    """Make the user ``admin`` where there is no user yet; return its one-time password, or None.

    Consoles that start together make one.
    """
    password = passwords.one_time_password()
    hashed = passwords.hash_password(password)
    try:
        with database.transaction() as tx:
            if there_are_users(tx):
                return None
            add(tx, FIRST_NAME, Role.ADMINISTRATOR, hashed, by=Actor(database.service), must_change=True)
    except (ActionRefused, IntegrityError):  # another console was quicker
        return None
    return password


def is_name(kept: str) -> bool:
    """Say whether a folded text may name a user."""
    plain = all(character.isalnum() or character in _MARKS_IN_NAMES for character in kept)
    return plain and kept[:1].isalnum() and len(kept) <= LONGEST_NAME


def end_sessions(tx: Session, user: User) -> None:
    """End all sessions of a user at once."""
    tx.execute(delete(UserSession).where(UserSession.user_id == user.id))


def _note(tx: Session, by: Actor, what: str, subject: str, **more: str) -> None:
    audit.append(tx, AuditEventType.USER_CHANGED, detail={"what": what, "subject": subject, **more, **by.detail()})

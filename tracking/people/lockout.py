"""Failed logins in a row, and the wait that grows with them: the same for all console processes, as it is in SQL.

An attempt is counted before its password is compared, and taken back when it was right. So any number of attempts at
the same moment are no more than the count allows.
"""

import hashlib
import math
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tracking.engine.clock import now_ms
from tracking.jobs.queue import upsert
from tracking.tables.user_models import LoginFailures

LONGEST_WAIT_SECONDS = 900
FREE_ATTEMPTS = {"user": 2, "address": 9}
"""Failures that cost no wait: people mistype, and behind one address there may be a whole hospital."""
_FORGOTTEN_AFTER_SECONDS = 24 * 3600
_LOCK = 0x63787273
_IPV6_SITE_BITS = 64
"""Whoever has one IPv6 address has the network of it (RFC 6177)."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of a login before its password is compared."""

    wait_seconds: int
    """How long the login is refused yet; 0 where its password may be compared."""
    user_failures: int = 0
    """Failed logins in a row under this name, this one not included."""


def wait_seconds(failures: int, free: int) -> int:
    """Return how long the next login waits after so many failures in a row: 0, then 1, 2, 4 … 900 seconds."""
    if failures <= free:
        return 0
    return min(LONGEST_WAIT_SECONDS, 1 << min(failures - free - 1, 20))


def wait_left(read: Session, name: str, address: str) -> int:
    """Return how many seconds a login is refused yet; a flood of refused ones thus takes no write lock."""
    now = _now(read)
    return _wait_left(_rows(read, name, address, now), now)


def begin(tx: Session, name: str, address: str) -> Attempt:
    """Count an attempt as failed, unless user or address have to wait; then nothing is written."""
    _take_turns(tx)
    now = _now(tx)
    known = _rows(tx, name, address, now)
    wait = _wait_left(known, now)
    if wait:
        return Attempt(wait)
    before = {kind: row.count if row is not None else 0 for kind, row in known.items()}
    for kind, subject in _subjects(name, address).items():
        count = before[kind] + 1
        _write(tx, kind, subject, count, now, now + 1000 * wait_seconds(count, FREE_ATTEMPTS[kind]))
    return Attempt(0, before["user"])


def succeed(tx: Session, name: str, address: str) -> None:
    """Forget the failures of a user who has logged in, and take the attempt back from the count of the address."""
    _take_turns(tx)
    forget_user(tx, name)
    subject = _subjects(name, address)["address"]
    row = _row(tx, "address", subject, _now(tx))
    if row is not None:
        _write(tx, "address", subject, max(0, row.count - 1), row.last_at, 0)


def forget_user(tx: Session, name: str) -> None:
    """End the wait of a user."""
    subject = _digest(name)
    tx.execute(delete(LoginFailures).where(LoginFailures.kind == "user", LoginFailures.subject == subject))


def count_unknown(tx: Session) -> int:
    """Count a failed login under a name that nobody has; return how many there were in a row."""
    _take_turns(tx)
    now = _now(tx)
    row = _row(tx, "unknown", "", now)
    count = 1 if row is None else row.count + 1
    _write(tx, "unknown", "", count, now, 0)
    return count


def waiting_users(read: Session, names: list[str]) -> dict[str, int]:
    """Return the users whose login is refused at present, with the seconds that are left."""
    now = _now(read)
    by_digest = {_digest(name): name for name in names}
    rows = read.scalars(select(LoginFailures).where(LoginFailures.kind == "user", LoginFailures.locked_until > now))
    return {
        by_digest[row.subject]: math.ceil((row.locked_until - now) / 1000) for row in rows if row.subject in by_digest
    }


def purge(tx: Session) -> None:
    """Delete what is forgotten in any case."""
    tx.execute(delete(LoginFailures).where(LoginFailures.last_at < _now(tx) - 1000 * _FORGOTTEN_AFTER_SECONDS))


def _subjects(name: str, address: str) -> dict[str, str]:
    return {"user": _digest(name), "address": _digest(_network(address))}


def _network(address: str) -> str:
    """Return what an attacker cannot change at will: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(int(parsed) >> (128 - _IPV6_SITE_BITS))


def _digest(subject: str) -> str:
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()


def _take_turns(tx: Session) -> None:
    """Have attempts counted one after the other; on SQLite the write lock of the transaction does the same."""
    if tx.get_bind().dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _now(read: Session) -> int:
    return read.scalar(select(now_ms())) or 0


def _rows(read: Session, name: str, address: str, now: int) -> dict[str, LoginFailures | None]:
    return {kind: _row(read, kind, subject, now) for kind, subject in _subjects(name, address).items()}


def _wait_left(rows: dict[str, LoginFailures | None], now: int) -> int:
    locked = max((row.locked_until for row in rows.values() if row is not None), default=0)
    return max(0, math.ceil((locked - now) / 1000))


def _row(read: Session, kind: str, subject: str, now: int) -> LoginFailures | None:
    return read.scalar(
        select(LoginFailures)
        .where(
            LoginFailures.kind == kind,
            LoginFailures.subject == subject,
            LoginFailures.last_at >= now - 1000 * _FORGOTTEN_AFTER_SECONDS,
        )
        .execution_options(populate_existing=True)
    )


def _write(tx: Session, kind: str, subject: str, count: int, last_at: int, locked_until: int) -> None:
    values = {"count": count, "last_at": last_at, "locked_until": locked_until}
    statement = upsert(tx)(LoginFailures).values(kind=kind, subject=subject, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=values))

"""Logging in: who gets a session, when it ends, and what the audit log says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from config.errors import ActionRefused
from tests.logins import LIMITS, OPERATOR, noted, pass_time
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people import logins, passwords, user_sessions, users
from tracking.people.logins import LoggedIn, LoginRefused, Person
from tracking.people.roles import Role
from tracking.people.user_sessions import Limits, OpenSession
from tracking.people.users import Identity
from tracking.tables.user_models import User, UserSession

RIGHT = "a long enough secret"


@pytest.fixture
def jane(database: Database) -> str:
    with database.transaction() as tx:
        users.add(tx, "Jane.Doe", Role.RADIOLOGIST, passwords.hash_password(RIGHT), by=OPERATOR)
    return "jane.doe"


def log_in(database: Database, name: str = "jane.doe", password: str = RIGHT, **more: Any) -> LoggedIn | LoginRefused:
    return logins.log_in(database, name, password, **{"address": "192.0.2.7", "limits": LIMITS} | more)


def token_of(result: LoggedIn | LoginRefused) -> str:
    assert isinstance(result, LoggedIn)
    return result.token


def session_of(database: Database, token: str, limits: Limits = LIMITS) -> OpenSession | None:
    with database.reading() as read:
        return user_sessions.find(read, token, limits)


def test_a_right_login_yields_an_identity_and_a_session(database: Database, jane: str) -> None:
    result = log_in(database, " JANE.Doe")
    assert isinstance(result, LoggedIn)
    assert result.identity == Identity(jane, Role.RADIOLOGIST)
    found = session_of(database, result.token)
    assert found is not None
    assert found.identity == result.identity
    assert noted(database, AuditEventType.USER_LOGIN) == [
        {"user": jane, "address": "192.0.2.7", "role": "radiologist", "failed_before": 0}
    ]


@pytest.mark.fault(
    "somebody reads the database",
    promise="it holds no password, session or token, but digests",
    area="secret",
)
def test_the_database_holds_no_token_and_no_password(database: Database, jane: str) -> None:
    token = token_of(log_in(database))
    with database.reading() as read:
        kept = read.scalars(select(UserSession.token_digest)).one()
        hashed = read.scalars(select(User.password_hash)).one()
    assert token not in kept
    assert RIGHT not in hashed


@contextmanager
def counted_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the hashes that a password is compared with."""
    compared: list[str] = []
    hasher = passwords._hasher()

    class Counting:
        hash, check_needs_rehash = hasher.hash, hasher.check_needs_rehash

        def verify(self, kept: str, given: str) -> bool:
            compared.append(kept.rpartition("$")[0].rpartition("$")[0])
            return hasher.verify(kept, given)

    monkeypatch.setattr(passwords, "_hasher", Counting)
    yield compared


def test_nobody_learns_which_names_there_are(database: Database, jane: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.transaction() as tx:
        users.add(tx, "gone", Role.VIEWER, passwords.hash_password(RIGHT), by=OPERATOR)
        users.disable(tx, "gone", by=OPERATOR)
    with counted_work(monkeypatch) as compared:
        attempts = [
            (jane, "wrong"),
            ("nobody", RIGHT),
            ("gone", RIGHT),
            ("", ""),
            ("\x00\udc80", "\x00"),
            ("x" * 999, "x"),
        ]
        answers = [log_in(database, name, word, address=f"10.0.0.{number}")
                   for number, (name, word) in enumerate(attempts)]  # fmt: skip
    assert answers == [LoginRefused()] * len(attempts)
    assert len(compared) == len(attempts)
    assert len(set(compared)) == 1


def test_guessing_is_slowed_down_for_names_that_exist_and_for_others_alike(database: Database, jane: str) -> None:
    for name in (jane, "nobody"):
        answers = [log_in(database, name, "wrong", address=f"10.0.{number}.1") for number in range(4)]
        assert answers == [LoginRefused()] * 3 + [LoginRefused(1)]
    assert log_in(database) == LoginRefused(1)
    pass_time(database, 2)
    assert isinstance(log_in(database), LoggedIn)


def test_a_flood_of_guesses_leaves_few_lines_in_the_audit_log(database: Database, jane: str) -> None:
    for number in range(30):
        log_in(database, jane, "wrong", address=f"10.1.{number}.1")
        log_in(database, f"other{number}", "wrong", address=f"10.2.{number}.1")
        pass_time(database, 1000)
    lines = noted(database, AuditEventType.LOGIN_FAILED)
    assert [line["failures"] for line in lines if line.get("user") == jane] == [1, 10]
    assert [line["failures"] for line in lines if "user" not in line] == [1, 10]
    assert len(lines) == 4
    log_in(database)
    assert noted(database, AuditEventType.USER_LOGIN)[-1]["failed_before"] == 30


def test_a_login_ends_the_session_that_the_browser_brought(database: Database, jane: str) -> None:
    first = token_of(log_in(database))
    second = token_of(log_in(database, replaces=first))
    assert session_of(database, first) is None
    assert session_of(database, second) is not None


def test_a_session_ends_when_nobody_uses_it_and_in_any_case(database: Database, jane: str) -> None:
    token = token_of(log_in(database))

    def age(seconds: int, *, seen: int) -> OpenSession | None:
        with database.transaction() as tx:
            started_at, seen_at = UserSession.started_at - 1000 * seconds, UserSession.seen_at - 1000 * seen
            tx.execute(update(UserSession).values(started_at=started_at, seen_at=seen_at))
        return session_of(database, token)

    found = age(590, seen=590)
    assert found is not None
    assert found.seen_is_old
    assert age(11, seen=11) is None
    with database.transaction() as tx:
        user_sessions.touch(tx, token)
    found = session_of(database, token)
    assert found is not None
    assert not found.seen_is_old
    assert age(3000, seen=0) is None
    token_of(log_in(database))
    with database.reading() as read:
        assert len(read.scalars(select(UserSession)).all()) == 1


@pytest.mark.parametrize("what", ["log out", "disable", "password"])
def test_a_session_ends_with_its_reason(database: Database, jane: str, what: str) -> None:
    token, elsewhere = token_of(log_in(database)), token_of(log_in(database))
    with database.transaction() as tx:
        if what == "log out":
            logins.log_out(tx, token, Identity(jane, Role.VIEWER), "192.0.2.7")
        elif what == "disable":
            users.disable(tx, jane, by=OPERATOR)
        else:
            users.set_password(tx, jane, passwords.hash_password("another secret"), by=OPERATOR)
    assert session_of(database, token) is None
    assert (session_of(database, elsewhere) is None) == (what != "log out")


def test_a_role_counts_from_the_next_request_on(database: Database, jane: str) -> None:
    token = token_of(log_in(database))
    with database.transaction() as tx:
        users.set_role(tx, jane, Role.VIEWER, by=OPERATOR)
    found = session_of(database, token)
    assert found is not None
    assert found.identity.role is Role.VIEWER


def test_changing_the_own_password_needs_the_old_one_and_ends_other_sessions(database: Database, jane: str) -> None:
    here, elsewhere = token_of(log_in(database)), token_of(log_in(database))
    me = Identity(jane, Role.RADIOLOGIST)

    def change(old: str, new: str) -> LoggedIn | LoginRefused:
        return logins.change_password(database, me, old, new, address="192.0.2.7")

    assert change("wrong", "quite another secret") == LoginRefused()
    with pytest.raises(ActionRefused, match="the old one"):
        change(RIGHT, RIGHT)
    with pytest.raises(ActionRefused, match="shorter"):
        change(RIGHT, "short")
    fresh = token_of(change(RIGHT, "quite another secret"))
    assert [session_of(database, token) is None for token in (here, elsewhere, fresh)] == [True, True, False]
    assert log_in(database) == LoginRefused()
    assert isinstance(log_in(database, password="quite another secret"), LoggedIn)
    assert noted(database, AuditEventType.USER_CHANGED)[-1] == {
        "what": "password", "subject": jane, "user": jane, "address": "192.0.2.7",
    }  # fmt: skip


def test_a_user_disabled_while_the_password_is_compared_gets_no_session(
    database: Database, jane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = passwords.is_right

    def overtaken(*given: Any) -> bool:
        with database.transaction() as tx:
            users.disable(tx, jane, by=OPERATOR)
        return compare(*given)

    monkeypatch.setattr(passwords, "is_right", overtaken)
    assert log_in(database) == LoginRefused()


PERSON = Person("https://login.example", "4711", "jane.doe", Role.RADIOLOGIST)


def log_in_person(database: Database, person: Person) -> LoggedIn:
    return logins.log_in_person(database, person, address="192.0.2.7", limits=LIMITS)


def test_a_person_of_a_provider_becomes_a_user_once_and_stays_that_one(database: Database) -> None:
    first = log_in_person(database, PERSON)
    assert first.identity == Identity("jane.doe", Role.RADIOLOGIST)
    renamed = replace(PERSON, name="jane.roe", role=Role.VIEWER)
    assert log_in_person(database, renamed).identity == Identity("jane.doe", Role.VIEWER)
    kept = replace(PERSON, role=Role.ADMINISTRATOR, keeps_role=True)
    assert log_in_person(database, kept).identity.role is Role.VIEWER
    other = replace(PERSON, subject="4712", name="mary")
    assert log_in_person(database, other).identity.name == "mary"
    assert [line["what"] for line in noted(database, AuditEventType.USER_CHANGED)] == ["added", "role", "added"]


def test_a_person_whom_nothing_lets_in_is_refused_and_noted(database: Database, jane: str) -> None:
    for person, words in (
        (PERSON, "another user has the name"),
        (replace(PERSON, name=None), "no claim"),
        (replace(PERSON, name="mary", role=None), "no role"),
    ):
        with pytest.raises(ActionRefused, match=words):
            log_in_person(database, person)
    assert [line["issuer"] for line in noted(database, AuditEventType.LOGIN_FAILED)] == [PERSON.issuer] * 3
    assert isinstance(log_in(database), LoggedIn), "whose name it is goes on as ever"


def test_where_a_provider_is_asked_a_right_password_lets_administrators_in_alone(database: Database, jane: str) -> None:
    assert log_in(database, administrators_only=True) == LoginRefused(elsewhere=True)
    assert log_in(database, password="wrong", administrators_only=True) == LoginRefused()
    with database.transaction() as tx:
        users.set_role(tx, jane, Role.ADMINISTRATOR, by=OPERATOR)
    assert isinstance(log_in(database, administrators_only=True), LoggedIn)

"""Failed logins: the wait that grows, for users and for addresses, however many attempts come at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests.logins import pass_time
from tracking.engine.database import Database
from tracking.people import lockout
from tracking.tables.user_models import LoginFailures


def fail(database: Database, name: str = "jane", address: str = "192.0.2.7") -> lockout.Attempt:
    with database.transaction() as tx:
        return lockout.begin(tx, name, address)


def test_the_wait_doubles_up_to_a_quarter_of_an_hour() -> None:
    assert [lockout.wait_seconds(failures, 2) for failures in range(15)] == [
        0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900,
    ]  # fmt: skip


@given(st.integers(0, 10**9), st.integers(0, 20))
def test_the_wait_never_shrinks_and_has_a_bound(failures: int, free: int) -> None:
    waits = [lockout.wait_seconds(count, free) for count in (failures, failures + 1)]
    assert 0 <= waits[0] <= waits[1] <= lockout.LONGEST_WAIT_SECONDS


def test_a_user_waits_after_three_failures_wherever_they_come_from(database: Database) -> None:
    assert [fail(database, address=f"192.0.2.{number}").wait_seconds for number in range(3)] == [0, 0, 0]
    assert fail(database, address="198.51.100.1").wait_seconds == 1
    assert fail(database, name="john").wait_seconds == 0
    pass_time(database, 1)
    assert fail(database).wait_seconds == 0
    assert fail(database).wait_seconds == 2


def test_an_attempt_while_waiting_changes_nothing(database: Database) -> None:
    for _ in range(3):
        fail(database)
    with database.reading() as read:
        before = {(row.kind, row.count, row.locked_until) for row in read.scalars(select(LoginFailures))}
    for _ in range(10):
        assert fail(database).wait_seconds == 1
    with database.reading() as read:
        assert {(row.kind, row.count, row.locked_until) for row in read.scalars(select(LoginFailures))} == before


@pytest.mark.parametrize(
    ("addresses", "waits"),
    [
        (["192.0.2.7"] * 11, True),
        ([f"2001:db8::{number:x}:1" for number in range(11)], True),
        (["::ffff:192.0.2.7", "192.0.2.7"] * 6, True),
        ([f"192.0.2.{number}" for number in range(11)], False),
        ([f"2001:db8:0:{number:x}::1" for number in range(11)], False),
    ],
)
def test_an_address_waits_whatever_names_it_tries(database: Database, addresses: list[str], waits: bool) -> None:
    attempts = [fail(database, f"name{number}", address) for number, address in enumerate(addresses)]
    assert (max(attempt.wait_seconds for attempt in attempts) > 0) is waits


def test_attempts_at_the_same_moment_are_counted_one_by_one(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        attempts = list(pool.map(lambda _: fail(database), range(24)))
    assert sum(attempt.wait_seconds == 0 for attempt in attempts) == lockout.FREE_ATTEMPTS["user"] + 1


def test_a_right_login_forgets_the_user_and_takes_back_one_of_the_address(database: Database) -> None:
    for number in range(8):
        fail(database, f"other{number}")
    fail(database)
    with database.transaction() as tx:
        lockout.succeed(tx, "jane", "192.0.2.7")
    assert fail(database, "jane").user_failures == 0
    fail(database, "x")
    assert fail(database, "y").wait_seconds == 1


def test_what_is_a_day_old_is_forgotten(database: Database) -> None:
    for _ in range(3):
        fail(database)
    pass_time(database, 24 * 3600 + 1)
    assert fail(database) == lockout.Attempt(0, 0)
    pass_time(database, 24 * 3600 + 1)
    with database.transaction() as tx:
        lockout.purge(tx)
        assert tx.scalars(select(LoginFailures)).all() == []


def test_no_name_that_was_typed_is_kept(database: Database) -> None:
    fail(database, "my password by mistake")
    with database.reading() as read:
        kept = [(row.kind, row.subject) for row in read.scalars(select(LoginFailures))]
    assert "password" not in str(kept)

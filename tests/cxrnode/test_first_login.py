"""The first administrator: the password stands on a terminal, never in a log or file."""

import io

import pytest
from structlog.testing import capture_logs

from cxrnode import first_login
from tracking.engine.database import Database
from tracking.people import logins, users
from tracking.people.logins import LoggedIn
from tracking.people.user_sessions import Limits


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def announce(database: Database, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> tuple[str, str]:
    """Return what stands on standard output, and what was logged."""
    monkeypatch.setattr(first_login.sys, "stdout", stream)
    with capture_logs() as lines:
        first_login.announce(database)
    return stream.getvalue(), str(lines)


def test_a_terminal_shows_the_one_time_password_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, logged = announce(database, monkeypatch, Terminal())
    password = shown.partition("one-time password ")[2].split()[0]
    result = logins.log_in(database, "admin", password, address="127.0.0.1", limits=Limits(60, 60))
    assert isinstance(result, LoggedIn)
    assert result.identity.must_change
    assert "cxrnode user passwd admin" in shown
    assert password not in logged
    assert announce(database, monkeypatch, Terminal()) == ("", "[]")


def test_a_log_never_gets_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, logged = announce(database, monkeypatch, io.StringIO())
    assert shown == ""
    assert first_login.CURE in logged
    with database.reading() as read:
        assert not users.there_are_users(read)

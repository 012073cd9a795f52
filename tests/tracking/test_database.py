"""Opening the database: patient data stay private, and a server that says nothing is not waited for."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from config.errors import SettingsError
from tracking import schema
from tracking.database import Database


@pytest.fixture
def careless_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("careless_umask")
def test_others_on_the_machine_cannot_read_the_database(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'data' / 'cxrnode.db'}")
    schema.upgrade(database)
    with database.reading() as read:
        read.execute(text("SELECT count(*) FROM study"))
        files = [tmp_path / "data", *(tmp_path / "data").iterdir()]
        assert len(files) == 4
        assert {path.name: oct(path.stat().st_mode & 0o007) for path in files} == dict.fromkeys(
            (path.name for path in files), "0o0"
        )
    database.close()


@pytest.mark.parametrize("url", ["hidden", "postgresql://me:top@hidden:cret@db/cxr", "mysql://me:hidden@db/cxr"])
def test_what_is_no_url_of_ours_is_a_settings_error_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"database\.url") as caught:
        Database.open(url)
    assert "hidden" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_a_server_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_bounds(), "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database.open(f"postgresql://cxrnode@127.0.0.1:{silent.getsockname()[1]}/cxrnode")
        start = time.monotonic()
        with pytest.raises(OperationalError), database.reading() as read:
            read.execute(text("SELECT 1"))
        assert time.monotonic() - start < 8
        database.close()


def _bounds() -> dict[str, int]:
    from tracking import database

    return database._POSTGRESQL_BOUNDS

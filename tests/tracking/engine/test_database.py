"""The database: patient data stay private, a silent server is not waited for, a transaction is all or nothing."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from config.errors import SettingsError
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.tables.models import Breaker, Job


@pytest.fixture
def careless_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("careless_umask")
@pytest.mark.fault(
    "others have logins on the machine of the node",
    promise="the database and its write-ahead log are readable by the node's user alone",
    area="secret",
)
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


@pytest.mark.fault(
    "a database server takes the connection and says nothing",
    promise="it is given up in time, and tried again",
    area="database",
)
def test_a_server_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_defaults(), "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database.open(f"postgresql://cxrnode@127.0.0.1:{silent.getsockname()[1]}/cxrnode")
        start = time.monotonic()
        with pytest.raises(OperationalError), database.reading() as read:
            read.execute(text("SELECT 1"))
        assert time.monotonic() - start < 8
        database.close()


def _defaults() -> dict[str, Any]:
    from tracking.engine import database

    return database._POSTGRESQL_DEFAULTS


def test_postgresql_compiles_no_statement_of_ours_unless_the_url_says_so(database: Database) -> None:
    if database.dialect != "postgresql":
        pytest.skip("no PostgreSQL")
    url = database.engine.url
    for options, jit in (({}, "off"), ({"options": "-c jit=on"}, "on")):
        opened = Database.open(url.update_query_dict(options).render_as_string(hide_password=False))
        with opened.reading() as read:
            assert read.scalar(text("SHOW jit")) == jit
        opened.close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_hot_transaction_holds_what_driver_and_session_wrote_or_neither(database: Database, fails: bool) -> None:
    def write() -> None:
        with database.hot_transaction() as tx:
            queue.enqueue(tx, "analyse", "by-the-driver", {})
            tx.execute(update(Job).values(priority=1))
            tx.add(Breaker(destination="by-the-session", failures=1))
            audit.append(tx, AuditEventType.SERVICE_STARTED)
            if fails:
                raise ValueError("no")

    if fails:
        with pytest.raises(ValueError, match="no"):
            write()
    else:
        write()
    with database.reading() as read:
        jobs = [(job.key, job.priority) for job in read.scalars(select(Job))]
        breakers = list(read.scalars(select(Breaker.destination)))
        found = (jobs, breakers, len(list(audit.lines(read))))
    assert found == (([], [], 0) if fails else ([("by-the-driver", 1)], ["by-the-session"], 1))

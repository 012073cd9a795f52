"""Opening the database, and the two kinds of transaction there are."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from config.errors import SettingsError
from tracking.audit_log import audit
from tracking.engine import changes, prepared
from tracking.lists import standing

_SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON")
_POSTGRESQL_DEFAULTS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "options": "-c jit=off",
}
"""What a connection is given unless the URL says otherwise (libpq 34.1.2). Seconds, and milliseconds for
``tcp_user_timeout``: else a server that vanished without a word, with its machine or behind a firewall, is waited for
without end, and senders get no answer. Compiling a statement of ours takes the server longer than running it."""
_READ_ONLY = "cxrnode_read_only"
_BEGIN = "BEGIN IMMEDIATE"


class Database:
    """The tracking database of one process; safe to share between threads.

    Parameters
    ----------
    engine
        Made by :meth:`open`.
    service
        Who writes, as the audit log names it: ``receive``, ``work``, ``deliver``, ``cli`` …
    """

    def __init__(self, engine: Engine, service: str) -> None:
        self.engine = engine
        self.service = service
        options: dict[str, Any] = {_READ_ONLY: True}
        if engine.dialect.name == "postgresql":  # by default each statement would see a moment of its own
            options["isolation_level"] = "REPEATABLE READ"
        self._reader = engine.execution_options(**options)

    @classmethod
    def open(cls, url: str, *, service: str = "cli", pool_size: int = 20) -> "Database":
        """Connect lazily to SQLite (WAL, synchronous=FULL) or PostgreSQL.

        Raises
        ------
        SettingsError
            The URL is none, names another kind of database, or SQLite's folder cannot be made.
        """
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite":
            if parsed.database and parsed.database != ":memory:" and "uri" not in parsed.query:
                _make_private(Path(parsed.database))
            # isolation_level None hands BEGIN to us: sqlite3's own would take no write lock at the start.
            options: dict[str, Any] = {"connect_args": {"timeout": 30, "isolation_level": None}}
        else:
            given = {name: value for name, value in _POSTGRESQL_DEFAULTS.items() if name not in parsed.query}
            # A server of another encoding must get far enough to be refused in words (tracking.engine.schema).
            options = {"pool_pre_ping": True, "connect_args": {"client_encoding": "utf8", **given}}
        engine = create_engine(parsed, pool_size=pool_size, max_overflow=pool_size, **options)
        if parsed.get_backend_name() == "sqlite":
            _teach_sqlite(engine)
        return cls(engine, service)

    @property
    def dialect(self) -> str:
        """Return ``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Write: all of the block, where its studies stand and its audit lines commit together, or nothing does."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
            session.flush()
            standing.write(session, changes.changed_studies(session))
            audit.write_pending(session, self.service)

    @contextmanager
    def hot_transaction(self) -> Iterator[Session]:
        """Write like :meth:`transaction`, for many short transactions made of prepared statements.

        The driver begins and commits it, on SQLite with the write lock taken at once. The session joins when something
        asks it to; prepared statements do not, and are spared its bookkeeping, half of their time.
        """
        with (
            self.engine.connect() as connection,
            Session(connection, expire_on_commit=False) as session,
        ):
            prepared.use(session, connection)
            if self.dialect == "sqlite":
                prepared.run(connection, _BEGIN)
            yield session
            if session.in_transaction():
                session.flush()
            standing.write(session, changes.changed_studies(session))
            audit.write_pending(session, self.service)
            if session.in_transaction():
                session.commit()
            prepared.commit(connection)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read: all statements of the block see the same moment; takes no write lock on SQLite."""
        with Session(self._reader, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def change_counter(self) -> Iterator[Callable[[], int] | None]:
        """Yield a function whose answer changes when another connection, of any process, has written; cheap to ask.

        None on PostgreSQL, which has no such counter.
        """
        if self.dialect != "sqlite":
            yield None
            return
        with closing(self.engine.raw_connection()) as connection:
            driver: Any = connection.dbapi_connection
            yield lambda: int(driver.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def in_words(error: DBAPIError) -> str:
    """Return what a database said when it could not be reached; a statement's error, which may echo values, by type."""
    words = str(error.orig).strip().splitlines() if error.statement is None else []
    return words[0] if words else type(error.orig).__name__


def parse_url(url: str) -> URL:
    """Read a database URL; the message never repeats it, as it may hold a password.

    Raises
    ------
    SettingsError
        It is no URL, or of another kind of database than SQLite and PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter of a port that is no number: part of a password, at times
        msg = (
            "database.url (or its file): this is no URL; write postgresql://user:password@host/name, with @ : / of a "
            "password as %40 %3A %2F, or leave it out for SQLite"
        )
        raise SettingsError(msg) from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite" and parsed.drivername != "postgresql+psycopg":
        msg = f"database.url: {parsed.drivername} is not supported; use postgresql, or leave it out for SQLite"
        raise SettingsError(msg)
    return parsed


def _make_private(file: Path) -> None:
    """Make SQLite's file and its folder, if missing, readable by its owner alone: it names patients.

    The files that SQLite puts beside it get the same permissions.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        msg = (
            f"{file}: the database or its folder cannot be made: {error.strerror}; create the folder and give it to "
            "the user the node runs as, or change node.data_dir"
        )
        raise SettingsError(msg) from None


def _teach_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        for pragma in _SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A writer takes the lock at once: two transactions that read first and write later would deadlock.
        if connection.connection.dbapi_connection.in_transaction:  # a session joins a hot transaction
            return
        read_only = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if read_only else _BEGIN)

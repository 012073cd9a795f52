"""Opening the database, and the two kinds of transaction there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.orm import Session

from tracking import audit

_SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON")
_READ_ONLY = "cxrnode_read_only"


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
        self._reader = engine.execution_options(**{_READ_ONLY: True})

    @classmethod
    def open(cls, url: str, *, service: str = "cli", pool_size: int = 20) -> "Database":
        """Connect lazily to SQLite (WAL, synchronous=FULL) or PostgreSQL."""
        parsed = make_url(url)
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            # isolation_level None hands BEGIN to us: sqlite3's own would take no write lock at the start.
            options: dict[str, Any] = {"connect_args": {"timeout": 30, "isolation_level": None}}
        else:
            options = {"pool_pre_ping": True}
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
        """Write: everything in the block and its audit lines commit together, or nothing does."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
            session.flush()
            audit.write_pending(session, self.service)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read a consistent view; takes no write lock on SQLite."""
        with Session(self._reader, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def _teach_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        for pragma in _SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A writer takes the lock at once: two transactions that read first and write later would deadlock.
        read_only = connection.get_execution_options().get(_READ_ONLY)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

"""Bringing a database to the schema this version needs (Alembic)."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.orm import Session

from config.errors import SettingsError
from tracking.engine.database import Database
from tracking.lists import standing

_UPGRADE_LOCK = 0x63787272


def upgrade(database: Database, revision: str = "head") -> None:
    """Create the tables, or bring older ones up to date; one transaction where the database allows it.

    At the newest schema every study that has no row of where it stands gets one.

    Raises
    ------
    SettingsError
        The database cannot hold text in UTF-8.
    """
    _require_utf8(database)
    with _taking_turns(database) as connection:
        _run(connection, revision)
        if _revision(connection) == head():
            with Session(connection) as tx:
                standing.fill(tx)
                tx.commit()


def current(database: Database) -> str | None:
    """Return the schema revision of the database, or None when it is empty."""
    with database.engine.connect() as connection:
        return _revision(connection)


def head() -> str:
    """Return the schema revision this version needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101 - the first migration ships with the package
    return revision


def revisions() -> list[str]:
    """Return every schema revision there was, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def ensure(database: Database) -> None:
    """Make an empty database ready; refuse one of another version, whose upgrade is the administrator's decision.

    Raises
    ------
    SettingsError
        The database has another schema revision than this version needs, or cannot hold text in UTF-8.
    """
    _require_utf8(database)
    found = current(database)
    if found is None:
        # Another service may be making the tables right now: only who holds the lock can tell whether it is empty.
        with _taking_turns(database) as connection:
            if not inspect(connection).has_table("study"):
                _run(connection, "head")
            found = _revision(connection)
    if found is not None and found not in revisions():
        msg = (
            f"the database has schema {found}, which a newer version made: install that version again, or restore a "
            f"backup from before its upgrade (this version needs {head()})"
        )
        raise SettingsError(msg)
    if found != head():
        msg = f"the database has schema {found}, this version needs {head()}: back it up, then `cxrnode db upgrade`"
        raise SettingsError(msg)


def _require_utf8(database: Database) -> None:
    """Refuse a database that cannot hold every name: images with such names would be refused, and sent without end."""
    if database.dialect != "postgresql":
        return
    with database.engine.connect() as connection:
        encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        msg = (
            f"the database's encoding is {encoding}, which cannot hold the names of all patients: make one with "
            "`createdb --encoding=UTF8 --template=template0`"
        )
        raise SettingsError(msg)


@contextmanager
def _taking_turns(database: Database) -> Iterator[Connection]:
    """Begin a transaction that services starting together get one after the other."""
    with database.engine.begin() as connection:
        if database.dialect == "postgresql":  # SQLite's write lock, taken as the transaction begins, does the same
            connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        yield connection


def _run(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    return config

"""A copy of the database as of one moment, while it is in use, and putting one back into an empty place."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, inspect

from config.errors import ActionRefused
from tracking.engine.database import Database

_LIBPQ_VARIABLES = {
    "host": "PGHOST", "port": "PGPORT", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "passfile": "PGPASSFILE", "service": "PGSERVICE",
}  # fmt: skip
"""What a URL may say beyond user, password, host, port and database, by the variable that says it to libpq (34.15)."""


def copy_database(database: Database, to: Path) -> None:
    """Copy the database, as it is at one moment, into a file, durable and readable by its owner alone.

    SQLite is copied by its online backup (a database file), PostgreSQL by ``pg_dump`` (custom format).

    Raises
    ------
    ActionRefused
        ``pg_dump`` is not installed or failed, or the copy is not sound.
    """
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    if database.dialect == "sqlite":
        with closing(sqlite3.connect(_sqlite_file(database))) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        _require_sound(to)
    else:
        _run(database.engine.url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={to}")
    _sync(to)


def require_empty(database: Database) -> None:
    """Refuse to restore into a database that holds anything.

    Raises
    ------
    ActionRefused
        It does, or SQLite's files of an earlier one lie beside it.
    """
    # SQLite removes them when it opens an empty database, so look at them first.
    left = database.dialect == "sqlite" and (_beside(database, "-wal") or _beside(database, "-journal"))
    if inspect(database.engine).get_table_names():
        msg = "there is a database already, and a restore overwrites nothing: {}"
    elif left:
        msg = "a write-ahead log of an earlier database lies where this one has to be: {}"
    else:
        return
    cure = (
        f"move {_sqlite_file(database)}* away, all of them together"
        if database.dialect == "sqlite"
        else "rename it and make an empty one (`createdb --encoding=UTF8 --template=template0`)"
    )
    raise ActionRefused(msg.format(cure))


def restore_database(database: Database, copy: Path) -> None:
    """Put a copy back into an empty database, as a whole or not at all.

    Raises
    ------
    ActionRefused
        The copy is not sound, or ``pg_restore`` is not installed or failed.
    """
    if database.dialect == "postgresql":
        name = str(database.engine.url.database)
        _run(database.engine.url, "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner",
             "--no-privileges", f"--dbname={name}", str(copy))  # fmt: skip
        return
    _require_sound(copy)
    target = _sqlite_file(database)
    database.close()
    for end in ("-wal", "-shm"):  # of the empty database that was looked at
        target.with_name(target.name + end).unlink(missing_ok=True)
    partial = target.with_name(f".{target.name}.restore")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    shutil.copyfile(copy, partial)
    _sync(partial)
    partial.replace(target)
    _sync(target.parent)


def _beside(database: Database, end: str) -> bool:
    """Say whether SQLite left a file with content beside the database."""
    file = _sqlite_file(database)
    beside = file.with_name(file.name + end)
    return beside.exists() and beside.stat().st_size > 0


def _sqlite_file(database: Database) -> Path:
    return Path(str(database.engine.url.database))


def _require_sound(file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = type(error).__name__
    if found != "ok":
        msg = f"{file}: this copy of the database is damaged; use another backup, and check the disk"
        raise ActionRefused(msg)


def _run(url: URL, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment, which no list of processes shows."""
    path = shutil.which(program)
    if path is None:
        msg = f"{program} is not installed: install the PostgreSQL client programs of the server's version"
        raise ActionRefused(msg)
    command = [path, "--no-password", *arguments]
    answer = subprocess.run(command, env=_environment(url), capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode:
        lines = [line for line in answer.stderr.splitlines() if "error" in line] or ["no reason given"]
        msg = f"{program} failed ({lines[0][:200]}); it has to be of the server's version or newer"
        raise ActionRefused(msg)


def _environment(url: URL) -> dict[str, str]:
    said: dict[str, object] = {
        "PGUSER": url.username, "PGPASSWORD": url.password, "PGHOST": url.host, "PGPORT": url.port,
        "PGDATABASE": url.database,
    }  # fmt: skip
    said |= {variable: url.query[key] for key, variable in _LIBPQ_VARIABLES.items() if key in url.query}
    return {**os.environ, **{name: str(value) for name, value in said.items() if value is not None}}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

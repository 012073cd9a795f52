"""Statements of the hot path, compiled once and handed straight to the driver.

SQLAlchemy works out the cache key of a statement each time it runs and wraps cursor and rows, which costs several
times what SQLite needs to execute it; for the handful of statements that stand between a received image and its
acknowledgement that is most of the wait. Everything else uses SQLAlchemy as it is meant.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler

_OPEN = "prepared_connection"


class Prepared:
    """A statement with named bind parameters that goes to the driver as text.

    Values must be what the driver takes (text, numbers, None): there is no conversion of types, and columns with a
    Python-side default have to be given. ``build`` takes the dialect's name, for what the dialects write differently.
    """

    def __init__(self, build: Callable[[str], Executable]) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def __call__(self, tx: Session, **values: Any) -> list[tuple[Any, ...]]:
        """Run it in the transaction and return its rows; pending objects of the session are not flushed first.

        Raises
        ------
        DBAPIError
            What the driver raised, as the class of SQLAlchemy's that says what kind of failure it was.
        """
        connection, driver = tx.info.get(_OPEN) or _open(tx)
        text, order, fixed = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        every = fixed | values
        try:
            cursor = driver.execute(text, every if order is None else [every[name] for name in order])
            return [] if cursor.description is None else cursor.fetchall()  # all, so that no statement stays open
        except connection.dialect.loaded_dbapi.Error as error:
            raise _translated(error, text, connection, driver) from error

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        compiled = self._build(dialect.name).compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - statements compile to nothing else
        order = tuple(compiled.positiontup) if compiled.positiontup is not None else None
        entry = self._compiled[dialect.name] = (str(compiled), order, dict(compiled.params))
        return entry


def use(tx: Session, connection: Connection) -> None:
    """Let the statements of a session, which is one transaction long, run on this connection, where it began."""
    tx.info[_OPEN] = (connection, connection.connection.dbapi_connection)


def run(connection: Connection, text: str) -> None:
    """Let the driver run a statement that has no values and no rows, as :class:`Prepared` does with others."""
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute(text)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(error, text, connection, driver) from error


def commit(connection: Connection) -> None:
    """Commit what the driver has begun; where it has begun nothing, nothing happens."""
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.commit()
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(error, "COMMIT", connection, driver) from error


def _open(tx: Session) -> tuple[Connection, Any]:
    """Begin, unless that has happened, and note the connection."""
    use(tx, tx.connection())
    pair: tuple[Connection, Any] = tx.info[_OPEN]
    return pair


def _translated(error: Exception, text: str, connection: Connection, driver: Any) -> Exception:
    """Return SQLAlchemy's name for a driver's error; a connection that broke is not used again."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]  # loaded_dbapi.Error is one
    if lost:
        connection.invalidate(error)
    kinds = dialect.loaded_dbapi.Error
    return DBAPIError.instance(
        text, None, error, kinds, hide_parameters=True, connection_invalidated=lost, dialect=dialect
    )

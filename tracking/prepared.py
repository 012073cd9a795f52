"""Statements of the hot path, compiled once.

SQLAlchemy works out the cache key of a statement each time it runs, which costs several times what SQLite needs to
execute it; for the handful of statements that stand between a received image and its acknowledgement that is most
of the wait. Everything else uses SQLAlchemy as it is meant.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import CursorResult, Dialect, Executable
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler


class Prepared:
    """A statement with named bind parameters that goes to the driver as text.

    Values must be what the driver takes (text, numbers, None): there is no conversion of types, and columns with a
    Python-side default have to be given. ``build`` takes the dialect's name, for what the dialects write differently.
    """

    def __init__(self, build: Callable[[str], Executable]) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def __call__(self, tx: Session, **values: Any) -> CursorResult[Any]:
        """Run it in the transaction; pending objects of the session are not flushed first."""
        connection = tx.connection()
        text, order, fixed = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        every = {**fixed, **values}
        return connection.exec_driver_sql(text, every if order is None else tuple(every[name] for name in order))

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        compiled = self._build(dialect.name).compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - statements compile to nothing else
        order = tuple(compiled.positiontup) if compiled.positiontup is not None else None
        entry = self._compiled[dialect.name] = (str(compiled), order, dict(compiled.params))
        return entry

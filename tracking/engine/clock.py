"""The database's clock: it alone decides leases, retries and the order of events, never a worker's."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now_ms(FunctionElement[int]):  # noqa: N801 - reads as the SQL function it stands for
    """Milliseconds since 1970-01-01 UTC, by the database's clock at the moment of the statement."""

    type = BigInteger()
    inherit_cache = True


@compiles(now_ms, "postgresql")
def _on_postgresql(_element: now_ms, _compiler: Any, **_: Any) -> str:
    return "(extract(epoch from clock_timestamp())*1000)::bigint"


@compiles(now_ms, "sqlite")
def _on_sqlite(_element: now_ms, _compiler: Any, **_: Any) -> str:
    return "CAST((julianday('now')-2440587.5)*86400000 AS INTEGER)"


def to_datetime(milliseconds: int) -> datetime:
    """Return a stored time as an aware UTC datetime with whole milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def to_milliseconds(seconds: float) -> int:
    """Return a duration in the unit of :class:`now_ms`."""
    return int(seconds * 1000)

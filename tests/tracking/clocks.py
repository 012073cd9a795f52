"""The database's clock, set back and forth by a test."""

import time
from typing import Any

from sqlalchemy import event, text

from tracking.engine.database import Database


class FakeClock:
    """Stands before the clock of a database: it shows the real time and ``offset_ms`` more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.offset_ms = 0
        if database.dialect == "sqlite":
            event.listen(database.engine, "connect", self._teach)
        else:
            name = database.engine.url.database
            for statement in (
                "CREATE SCHEMA fake",
                "CREATE TABLE fake.clock (ms bigint)",
                "INSERT INTO fake.clock VALUES (0)",
                "CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
                "$$ SELECT pg_catalog.clock_timestamp() + (SELECT ms FROM fake.clock) * interval '1 millisecond' $$",
                f"ALTER DATABASE {name} SET search_path = public, fake, pg_catalog",
            ):
                self._run(statement)
        database.engine.dispose()

    def step(self, ms: int) -> None:
        """Set the clock."""
        self.offset_ms += ms
        if self._database.dialect == "postgresql":
            self._run(f"UPDATE fake.clock SET ms = {self.offset_ms}")

    def _teach(self, connection: Any, _record: Any) -> None:
        connection.create_function("julianday", 1, self._julian_day)

    def _julian_day(self, _now: str) -> float:
        return (time.time_ns() / 1e6 + self.offset_ms) / 86_400_000 + 2_440_587.5

    def _run(self, statement: str) -> None:
        with self._database.engine.begin() as connection:
            connection.execute(text(statement))

"""The outcome of a check, and what checks share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from config.settings import Settings
from tracking.engine.database import Database


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check, and the cure if it is not ``ok``.

    ``stopped`` says that something waits for a person for good: it never goes on by itself.
    """

    name: str
    state: Literal["ok", "warning", "failed"]
    found: str
    cure: str = ""
    stopped: bool = False


@contextmanager
def reading(settings: Settings) -> Iterator[Session]:
    """Open the database for one reading transaction."""
    database = Database.open(settings.database_url())
    try:
        with database.reading() as read:
            yield read
    finally:
        database.close()


def first_of(uids: list[str]) -> str:
    """Name the first of some studies, and how many more there are."""
    return f"study {uids[0]}" + (f" and {len(uids) - 1} more" if len(uids) > 1 else "")

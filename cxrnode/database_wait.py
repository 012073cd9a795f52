"""Waiting for a database that is away, as after a power cut that struck both machines."""

import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from config.logs import get_logger
from tracking.engine.database import in_words

log = get_logger(__name__)
PAUSE_SECONDS = 2.0
T = TypeVar("T")


def when_reachable(attempt: Callable[[], T], stopping: threading.Event) -> T | None:
    """Return what ``attempt`` returns; repeat it while the database is away, and return None when told to stop."""
    while not stopping.is_set():
        try:
            return attempt()
        except (OperationalError, InterfaceError) as error:
            log.warning("database-unreachable", error=in_words(error), delay_s=PAUSE_SECONDS)
        stopping.wait(PAUSE_SECONDS)
    return None

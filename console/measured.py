"""Measures kept for a while: however often somebody asks, the database is asked for a small part of the time."""

import threading
import time
from collections.abc import Callable

from tracking.lists.measures import Measures

LEAST_SECONDS = 10.0
MOST_LOAD = 0.05
"""The largest share of the time in which the database is asked: a reading that took 2 s is kept for 40 s."""


class Measured:
    """The last reading. Safe to share between threads; while one reads, others wait for it."""

    def __init__(self, read: Callable[[], Measures], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: Measures | None = None
        self._until = 0.0
        self.seconds = 0.0
        """How long the last reading took."""

    def get(self) -> Measures:
        """Return the measures, at most as old as they are kept."""
        with self._lock:
            start = self._clock()
            if self._kept is None or start >= self._until:
                self._kept = self._read()
                end = self._clock()
                self.seconds = end - start
                self._until = end + max(LEAST_SECONDS, self.seconds / MOST_LOAD)
            return self._kept

"""Waking idle threads when there may be work: when the database has changed, and when they are to stop."""

import threading


class Wake:
    """A bell that many threads wait for. What rings between a look for work and the wait is not missed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        """How often it has rung; to be read before looking for work."""
        return self._rings

    def ring(self) -> None:
        """Wake all who wait."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def wait(self, heard: int, seconds: float) -> None:
        """Wait for a ring after the first ``heard``, at most so many seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings != heard, seconds)

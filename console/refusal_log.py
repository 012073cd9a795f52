"""Log lines about what the pages refuse: counted, so that a flood does not cost a line each."""

import threading
import time
from collections import Counter

from config.logs import get_logger

_log = get_logger(__name__)

WINDOW_SECONDS = 3600.0
"""Equal refusals are counted for so long; then the counts begin anew."""

MOST_DIFFERENT = 256
"""Different refusals in a window; beyond it they are counted without their address."""


class RefusalLog:
    """Counts refusals by reason and address. Safe to share between threads.

    The first, tenth, hundredth … of equal ones in a window is a log line with their count at once. What came after the
    last line is one more when the next window begins, or at :meth:`close`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began_at = time.monotonic()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, reason: str, address: str) -> None:
        """Count a refusal; ``reason`` is a fixed text of ours and repeats nothing that a visitor sent."""
        with self._lock:
            if time.monotonic() - self._began_at >= WINDOW_SECONDS:
                self._end_window()
            key = (reason, address)
            if key not in self._counts and len(self._counts) >= MOST_DIFFERENT:
                key = (reason, "")
            self._counts[key] += 1
            if _has_line(self._counts[key]):
                self._write(*key)

    def close(self) -> None:
        """Log what was counted since the last lines."""
        with self._lock:
            self._end_window()

    def _end_window(self) -> None:
        for key, count in self._counts.items():
            if not _has_line(count):
                self._write(*key)
        self._counts.clear()
        self._began_at = time.monotonic()

    def _write(self, reason: str, address: str) -> None:
        _log.warning("console-refused", reason=reason, address=address, count=self._counts[reason, address])


def _has_line(count: int) -> bool:
    """Tell 1, 10, 100, 1000 … from all other numbers."""
    return str(count).rstrip("0") == "1"


refusal_log = RefusalLog()
"""The one of this process: its connections, its gate and its pages share it."""

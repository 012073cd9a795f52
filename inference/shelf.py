"""The pictures analysed last, kept for the captures that are drawn next, so that none is decoded twice.

Nothing depends on it: what is not here, after a restart or in another process, is decoded from its stored file, which
never changes, and gives the same picture.
"""

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from inference.pixels import Picture

MOST_BYTES = 64 << 20
"""Room for four radiographs of 2048 × 2048, or one of 16 megapixels."""


class Shelf:
    """A few pictures by the files they come from, each to be taken once. Safe to share between threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._pictures: OrderedDict[Path, Picture] = OrderedDict()
        self._lock = Lock()

    def put(self, path: Path, picture: Picture) -> None:
        """Keep a picture; those that came first make room for it.

        One that is too large by itself is not kept, nor one of reduced resolution, which makes no capture.
        """
        with self._lock:
            self._pictures.pop(path, None)
            if picture.reduction > 1 or picture.gray.nbytes > self._most:
                return
            self._pictures[path] = picture
            while sum(kept.gray.nbytes for kept in self._pictures.values()) > self._most:
                self._pictures.popitem(last=False)

    def take(self, path: Path) -> Picture | None:
        """Return a file's picture and keep it no longer; None when it is not here."""
        with self._lock:
            return self._pictures.pop(path, None)

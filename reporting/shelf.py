"""The radiographs of images analysed last, kept for the captures that are built next.

They are drawn while the study settles, so that its captures need not wait for it. Nothing depends on the shelf: what
is not here, after a restart or in another process, is drawn from its stored file, which never changes, and looks the
same.
"""

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from inference.pixels import Picture
from reporting.radiograph import Radiograph

MOST_BYTES = 32 << 20
"""Room for fourteen radiographs on captures of 2048 pixels."""


class Shelf:
    """A few radiographs by the files they come from, each to be taken once. Safe to share between threads.

    Parameters
    ----------
    longest_side
        Longest side of the captures in pixels.
    most_bytes
        How much memory the radiographs may take together.
    """

    def __init__(self, longest_side: int, most_bytes: int = MOST_BYTES) -> None:
        self._longest_side = longest_side
        self._most = most_bytes
        self._radiographs: OrderedDict[Path, Radiograph] = OrderedDict()
        self._lock = Lock()

    def put(self, path: Path, picture: Picture) -> None:
        """Draw and keep a file's radiograph; those that came first make room for it.

        One that is too large by itself is not kept, nor one of reduced resolution, which makes no capture.
        """
        drawn = None if picture.reduction > 1 else Radiograph.of(picture, self._longest_side)
        with self._lock:
            self._radiographs.pop(path, None)
            if drawn is None or drawn.nbytes > self._most:
                return
            self._radiographs[path] = drawn
            while sum(kept.nbytes for kept in self._radiographs.values()) > self._most:
                self._radiographs.popitem(last=False)

    def take(self, path: Path) -> Radiograph | None:
        """Return a file's radiograph and keep it no longer; None when it is not here."""
        with self._lock:
            return self._radiographs.pop(path, None)

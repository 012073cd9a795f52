"""The radiographs of images analysed last, kept for the captures that are built next.

They are drawn by a thread of their own while the study settles, so that neither its analysis nor its captures wait for
it. Nothing depends on this cache: what is not here, after a restart or in another process, is drawn from its stored
file, which never changes, and looks the same.
"""

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from config.logs import get_logger
from inference.pixels import Picture
from reporting.capture.radiograph import Radiograph

log = get_logger(__name__)
MOST_BYTES = 64 << 20
"""Room for 28 radiographs on captures of 2048 pixels, or four decoded images of that size that wait to be drawn."""


@dataclass(frozen=True, slots=True)
class _Drawing:
    """A radiograph, drawn or to be drawn."""

    radiograph: Future[Radiograph]
    picture_bytes: int

    @property
    def nbytes(self) -> int:
        """Return how many bytes of memory it takes; nothing where it could not be drawn."""
        if not self.radiograph.done():
            return self.picture_bytes
        return 0 if self.radiograph.exception() else self.radiograph.result().nbytes


class RadiographCache:
    """A few radiographs by the files they come from, each to be taken once. Safe to share between threads.

    Parameters
    ----------
    longest_side
        Longest side of the captures in pixels.
    most_bytes
        How much memory the radiographs, and the images that wait to be drawn, may take together.
    """

    def __init__(self, longest_side: int, most_bytes: int = MOST_BYTES) -> None:
        self._longest_side = longest_side
        self._most = most_bytes
        self._drawings: OrderedDict[Path, _Drawing] = OrderedDict()
        self._lock = Lock()
        self._painter = ThreadPoolExecutor(1, "radiographs")

    def put(self, path: Path, picture: Picture) -> None:
        """Have a file's radiograph drawn and keep it; those that came first make room for it.

        An image that is too large by itself is not kept, nor one of reduced resolution, which makes no capture.
        """
        with self._lock:
            self._drop(path)
            if picture.reduction > 1 or picture.gray.nbytes > self._most:
                return
            drawing = self._painter.submit(Radiograph.of, picture, self._longest_side)
            self._drawings[path] = _Drawing(drawing, picture.gray.nbytes)
            while sum(kept.nbytes for kept in self._drawings.values()) > self._most:
                self._drop(next(iter(self._drawings)))

    def take(self, path: Path) -> Radiograph | None:
        """Return a file's radiograph, if need be when it is drawn, and keep it no longer; None when it is not here."""
        with self._lock:
            drawing = self._drawings.pop(path, None)
        if drawing is None:
            return None
        error = drawing.radiograph.exception()
        if error is not None:
            log.warning("radiograph-not-drawn", error=type(error).__name__)
            return None
        return drawing.radiograph.result()

    def _drop(self, path: Path) -> None:
        drawing = self._drawings.pop(path, None)
        if drawing is not None:
            drawing.radiograph.cancel()

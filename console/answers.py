"""Answers to files of a visitor: models, loaded at their first use, asked by one visitor after the other."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.errors import PermanentError, RetriableError
from config.logs import get_logger
from config.settings import InferenceSettings, Settings
from inference.findings import ImageAnalysis, ModelIdentity
from inference.installed import finding_packages, settings_for
from inference.not_analysed import NotAnalysed, ReasonCode
from inference.site_points import Points

if TYPE_CHECKING:
    from inference.analyse import Analyser
    from inference.file_analysis import FileAnalysis

log = get_logger(__name__)
MOST_WAITING = 4
"""Forms that are read or wait for the model at a time, the one being answered included; more are sent away."""
MOST_LOADED = 2
"""Models in memory at a time: the node's own, and the other one that was asked last."""


class Busy(RetriableError):
    """As many visitors as can be held wait for the model already."""


class UnknownModel(PermanentError):
    """No package of this name that finds something is installed here."""


class Answers:
    """The models behind the page. Safe to share between threads."""

    def __init__(self, settings: Settings, points: Callable[[str], Points] = lambda _package: {}) -> None:
        """Prepare to answer; ``points`` says which operating points of the site hold for a package."""
        self._settings = settings
        self._points = points
        self._admission = threading.BoundedSemaphore(MOST_WAITING)
        self._one_at_a_time = threading.Lock()
        self._analysers: dict[str, Analyser] = {}

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place among those who wait; raises :class:`Busy` when there is none."""
        if not self._admission.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._admission.release()

    def models(self) -> list[str]:
        """Return the names of the packages that can be asked, the node's own first."""
        return finding_packages(self._settings.inference)

    def require(self, model: str) -> None:
        """Raise :class:`UnknownModel` where no package of this name can be asked; an empty name is the node's own."""
        self._settings_of(model)

    def prepare(self) -> None:
        """Load the node's own model, if nobody did, so that the first visitor need not wait for it."""
        try:
            with self.asked(""):
                pass
        except Exception as error:  # noqa: BLE001 - whoever asks is told
            log.warning("model-not-opened", error=type(error).__name__)

    @contextmanager
    def asked(self, model: str) -> "Iterator[Analyser]":
        """Hold a model, when its turn comes; an empty name is the node's own.

        Raises :class:`UnknownModel`, and :class:`config.errors.CxrnodeError` when the model cannot be opened.
        """
        with self._one_at_a_time:
            analyser = self._opened(model)
            own = not model or model == self.models()[0]
            yield analyser.with_points(self._points(analyser.identity.name)) if own else analyser

    def analyse(self, content: bytes, model: str = "") -> "tuple[FileAnalysis, ModelIdentity]":
        """Return what a model says of one file of which nothing is kept; raises as :meth:`asked` does."""
        from inference.file_analysis import analyse_content  # which brings the decoders

        with self.asked(model) as analyser:
            return analyse_content(analyser, content, self._settings.inference.max_pixels), analyser.identity

    def too_large(self) -> ImageAnalysis:
        """Return what is said of a file that is not even looked at."""
        most = self._settings.console.upload_bytes // 1_000_000
        return ImageAnalysis(NotAnalysed(ReasonCode.TOO_LARGE, {"megabytes": most}))

    def _opened(self, model: str) -> "Analyser":
        inference = self._settings_of(model)
        name = inference.package
        if name not in self._analysers:
            from inference.analyse import Analyser  # which brings the engine

            start = time.perf_counter()
            analyser = Analyser(inference)
            for other in [key for key in self._analysers if key != self._settings.inference.package]:
                if len(self._analysers) >= MOST_LOADED:
                    del self._analysers[other]
            self._analysers[name] = analyser
            log.info("model-loaded", package=analyser.identity.name, version=analyser.identity.version,
                     seconds=round(time.perf_counter() - start, 2))  # fmt: skip
        return self._analysers[name]

    def _settings_of(self, model: str) -> InferenceSettings:
        if not model:
            return self._settings.inference
        if model not in self.models():
            msg = "there is no such model here: choose one of the list"
            raise UnknownModel(msg)
        return settings_for(self._settings.inference, model)

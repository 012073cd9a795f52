"""Answers to files of a visitor: the model, loaded at the first use, asked by one visitor after the other.

Nothing is stored: an answer lives until its page is sent.
"""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from config.errors import RetriableError
from config.logs import get_logger
from config.settings import Settings
from inference.findings import Finding, ImageAnalysis, ModelIdentity, NotAnalysed, Reason, finding_to_json
from reporting.claims import ClaimedFinding, claims_of
from reporting.image_answer import draw_map_overlay, draw_overlay, mapped
from tracking.study_page import FindingDetail

if TYPE_CHECKING:
    from inference.analyse import Analyser
    from inference.file_analysis import FileAnalysis

log = get_logger(__name__)
MOST_WAITING = 4
"""Forms that are read or wait for the model at a time, the one being answered included; more are sent away."""
LONGEST_SIDE = 1200
"""Pixels of an overlay on the page."""


class Busy(RetriableError):
    """As many visitors as can be held wait for the model already."""


@dataclass(frozen=True, slots=True)
class ShownMap:
    """A finding's score map over the image."""

    name: str
    address: str
    """A ``data:`` address of a PNG."""


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """What is shown of one file."""

    name: str
    because: str | None
    """Why it was not analysed; None where it was."""
    claims: tuple[ClaimedFinding[FindingDetail], ...]
    remarks: tuple[str, ...]
    overlay: str | None
    """The image with its findings drawn on it, as a ``data:`` address of a PNG."""
    seconds: float = 0.0
    maps: tuple[ShownMap, ...] = ()


class Answers:
    """The model behind the page. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admission = threading.BoundedSemaphore(MOST_WAITING)
        self._one_at_a_time = threading.Lock()
        self._analyser: Analyser | None = None

    @property
    def model(self) -> str:
        """Return name, version and engine of the model; empty before its first use."""
        if self._analyser is None:
            return ""
        identity = self._analyser.identity
        return f"{identity.name} {identity.version} · {identity.engine}"

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place among those who wait; raises :class:`Busy` when there is none."""
        if not self._admission.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._admission.release()

    def answer(self, name: str, content: bytes) -> ImageAnswer:
        """Return the answer to one file, when its turn comes.

        Raises :class:`config.errors.CxrnodeError` when the model cannot be opened.
        """
        from inference.file_analysis import analyse_content  # which brings the decoders

        with self._one_at_a_time:
            analyser = self._opened()
            answer = analyse_content(analyser, content, self._settings.inference.max_pixels)
            if answer.image is None or answer.analysis.refused:
                return _image_answer(name, answer.analysis, None, answer.seconds)
            when = datetime.now().astimezone()
            model = analyser.identity
            overlay = draw_overlay(answer.image, answer.analysis, model, when, LONGEST_SIDE)
            maps = tuple(
                ShownMap(
                    entry.finding.code.meaning,
                    _address(draw_map_overlay(answer.image, answer.analysis, entry, model, when, LONGEST_SIDE)),
                )
                for entry in mapped(answer.analysis)
            )
        return replace(_image_answer(name, answer.analysis, overlay, answer.seconds), maps=maps)

    def analyse(self, content: bytes) -> "tuple[FileAnalysis, ModelIdentity]":
        """Return what the model says of one file, undrawn, when its turn comes.

        Raises :class:`config.errors.CxrnodeError` when the model cannot be opened.
        """
        from inference.file_analysis import analyse_content  # which brings the decoders

        with self._one_at_a_time:
            analyser = self._opened()
            return analyse_content(analyser, content, self._settings.inference.max_pixels), analyser.identity

    def too_large(self, name: str) -> ImageAnswer:
        """Return the answer to a file that is not even looked at."""
        return _image_answer(name, self.too_large_analysis(), None, 0.0)

    def too_large_analysis(self) -> ImageAnalysis:
        """Return what is said of a file that is not even looked at."""
        most = self._settings.console.upload_bytes // 1_000_000
        return ImageAnalysis(NotAnalysed(Reason.UNREADABLE, f"the file is larger than {most} MB; export it smaller"))

    def _opened(self) -> "Analyser":
        if self._analyser is None:
            from inference.analyse import Analyser  # which brings the engine

            self._analyser = Analyser(self._settings.inference)
            log.info("model-loaded", package=self._analyser.identity.name, version=self._analyser.identity.version)
        return self._analyser


def _image_answer(name: str, analysis: ImageAnalysis, overlay: bytes | None, seconds: float) -> ImageAnswer:
    refusal = analysis.outcome if isinstance(analysis.outcome, NotAnalysed) else None
    findings = () if isinstance(analysis.outcome, NotAnalysed) else analysis.outcome
    return ImageAnswer(
        name=name,
        because=None if refusal is None else refusal.because,
        claims=tuple(claims_of([_detail(finding) for finding in findings])),
        remarks=tuple(remark.text for remark in analysis.remarks),
        overlay=None if overlay is None else _address(overlay),
        seconds=seconds,
    )


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _detail(finding: Finding) -> FindingDetail:
    """Return a finding as the pages show those on record."""
    return FindingDetail(
        "", finding.label, finding.code.meaning, finding.score, finding.level.value, finding.abnormal,
        finding_to_json(finding),
    )  # fmt: skip

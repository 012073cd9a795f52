"""Image answer: what is said of one image that belongs to no study, in lines, as an overlay and as score maps.

The maps of a study's images are drawn the same way for the console.
"""

import io
from datetime import datetime
from typing import Any

from PIL import Image

from config.language.translation import gettext as _
from config.language.translation import marked
from inference.findings import (
    Finding,
    ImageAnalysis,
    ModelIdentity,
    finding_to_json,
    remarks_to_json,
)
from inference.not_analysed import NotAnalysed
from inference.pixels import Picture
from reporting.capture.drawing import Caption
from reporting.capture.map_overlay import draw_map
from reporting.capture.overlay import draw_capture
from reporting.capture.radiograph import Radiograph
from reporting.claims import ClaimedFinding, claims_of, mapped_of
from reporting.words import finding_name, gist, summary

_NO_STUDY = marked("Of a file that belongs to no study.")


def answer_lines(analysis: ImageAnalysis) -> list[str]:
    """Return the answer in lines without full stops: what is stated, each finding, how the image was read.

    Of an image that was not analysed the reason stands first. The disclaimer, ``reporting.words.DISCLAIMER``, is for
    the caller to put before all answers.
    """
    remarks = [_(remark.text).rstrip(".") for remark in analysis.remarks]
    if isinstance(analysis.outcome, NotAnalysed):
        return [_("Not analysed because %(reason)s") % {"reason": analysis.outcome.words}, *remarks]
    claims = claims_of(analysis.outcome)
    stated = gist(claims, [finding_name(entry.finding) for entry in claims])
    first = stated[0].upper() + stated[1:]
    return [first, *(line for line in summary(analysis.outcome) if line != first), *remarks]


def answer_to_json(analysis: ImageAnalysis) -> dict[str, Any]:
    """Return the answer as plain JSON values: what the lines say, and everything that they are made of."""
    refusal = analysis.outcome if isinstance(analysis.outcome, NotAnalysed) else None
    findings = () if isinstance(analysis.outcome, NotAnalysed) else analysis.outcome
    return {
        "analysed": refusal is None,
        "reason": None if refusal is None else refusal.reason.value,
        "because": None if refusal is None else refusal.because,
        "code": None if refusal is None else refusal.code.value,
        "values": None if refusal is None else dict(refusal.values),
        "lines": answer_lines(analysis),
        "findings": [{"claim": entry.claim.value, **finding_to_json(entry.finding)} for entry in claims_of(findings)],
        "remarks": remarks_to_json(analysis.remarks),
        "verdict": analysis.verdict,
        "distance": analysis.distance,
    }


def draw_overlay(
    image: Picture, analysis: ImageAnalysis, model: ModelIdentity, completed_at: datetime, longest_side: int
) -> bytes:
    """Return the image with its findings drawn on it as a capture has them, as PNG.

    Parameters
    ----------
    image
        The decoded image.
    analysis
        What came of it; it must not be refused.
    model
        Which model spoke.
    completed_at
        When, with its time zone.
    longest_side
        No side of the result is longer than this many pixels.

    Raises ValueError for an image that was not analysed.
    """
    if isinstance(analysis.outcome, NotAnalysed):
        msg = "there is no overlay of an image that was not analysed"
        raise ValueError(msg)
    caption = _caption(analysis, model, completed_at, _NO_STUDY)
    return _as_png(Image.fromarray(draw_capture(Radiograph.of(image, longest_side), analysis.outcome, caption)))


def mapped(analysis: ImageAnalysis) -> list[ClaimedFinding[Finding]]:
    """Return the findings that have a score map to show; none of an image that was not analysed."""
    return [] if isinstance(analysis.outcome, NotAnalysed) else mapped_of(analysis.outcome)


def draw_map_overlay(
    image: Picture,
    analysis: ImageAnalysis,
    entry: ClaimedFinding[Finding],
    model: ModelIdentity,
    completed_at: datetime,
    longest_side: int,
    *,
    origin: str = _NO_STUDY,
    shown_side: int | None = None,
) -> bytes:
    """Return the image with one finding's score map over it as a score map capture has it, as PNG.

    Parameters
    ----------
    image
        The decoded image.
    analysis
        What came of it.
    entry
        Which of its findings, one of :func:`mapped`.
    model
        Which model spoke.
    completed_at
        When, with its time zone.
    longest_side
        No side of what is drawn is longer than this many pixels.
    origin
        A sentence about where the image is from.
    shown_side
        Make the result smaller, to at most this many pixels a side; None for the size it was drawn in.
    """
    caption = _caption(analysis, model, completed_at, origin)
    drawn = Image.fromarray(draw_map(Radiograph.of(image, longest_side), entry, caption))
    if shown_side is not None:
        drawn.thumbnail((shown_side, shown_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _as_png(drawn)


def _caption(analysis: ImageAnalysis, model: ModelIdentity, completed_at: datetime, origin: str) -> Caption:
    return Caption(
        model=f"{model.name} {model.version}",
        completed=completed_at.isoformat(" ", "seconds"),
        details=(
            _("Scores are one model's estimates, not a diagnosis."),
            _(origin),
            _("Package SHA-256 %(digest)s") % {"digest": model.digest[:16]},
            _("Engine %(engine)s") % {"engine": model.engine},
        ),
        remarks=tuple(_(remark.text).rstrip(".") for remark in analysis.remarks),
    )


def _as_png(drawn: Image.Image) -> bytes:
    png = io.BytesIO()
    drawn.save(png, "PNG", compress_level=3)
    return png.getvalue()

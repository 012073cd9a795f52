"""Image answer: what is said of one image that belongs to no study, in lines and as an overlay."""

import io
from datetime import datetime

from PIL import Image

from inference.findings import ImageAnalysis, ModelIdentity, NotAnalysed
from inference.pixels import Picture
from reporting.drawing import Caption
from reporting.overlay import draw_capture
from reporting.reading import claims_of, gist, summary


def answer_lines(analysis: ImageAnalysis) -> list[str]:
    """Return the answer in lines without full stops: what is stated, each finding, how the image was read.

    Of an image that was not analysed the reason stands first. The disclaimer, ``reporting.reading.DISCLAIMER``, is for
    the caller to put before all answers.
    """
    remarks = [remark.text.rstrip(".") for remark in analysis.remarks]
    if isinstance(analysis.outcome, NotAnalysed):
        return [f"Not analysed because {analysis.outcome.because}", *remarks]
    claims = claims_of(analysis.outcome)
    stated = gist(claims, [entry.finding.code.meaning for entry in claims])
    first = stated[0].upper() + stated[1:]
    return [first, *(line for line in summary(analysis.outcome) if line != first), *remarks]


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
    caption = Caption(
        model=f"{model.name} {model.version}",
        completed=completed_at.isoformat(" ", "seconds"),
        details=(
            "Scores are one model's estimates, not a diagnosis.",
            "Of a file that belongs to no study.",
            f"Package SHA-256 {model.digest[:16]}",
            f"Engine {model.engine}",
        ),
        remarks=tuple(remark.text.rstrip(".") for remark in analysis.remarks),
    )
    png = io.BytesIO()
    Image.fromarray(draw_capture(image, analysis.outcome, caption, longest_side)).save(png, "PNG", compress_level=3)
    return png.getvalue()

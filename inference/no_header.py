"""Images without a header: what is known of a PNG or JPEG, and of the object that an upload of one becomes."""

from dataclasses import replace

from config.language.translation import marked
from inference.eligibility import HeaderAnswer, Region, View
from inference.findings import ImageAnalysis, Remark, RemarkKind
from inference.not_analysed import NotAnalysed, ReasonCode

DOUBT = NotAnalysed(ReasonCode.VIEW_NO_HEADER)
HEADER_ANSWER = HeaderAnswer(None, DOUBT, View.UNKNOWN, Region.UNKNOWN, is_dicom=False)
_NOT_CHECKED = Remark(
    RemarkKind.NO_HEADER,
    marked(
        "A PNG or JPEG has no header: body part and view are taken from the image, and whether the patient is an adult "
        "was not checked"
    ),
)


def with_remark(analysis: ImageAnalysis) -> ImageAnalysis:
    """Return an analysis with the remark that no header was there to check; a refusal as it is."""
    return analysis if analysis.refused else replace(analysis, remarks=(*analysis.remarks, _NOT_CHECKED))

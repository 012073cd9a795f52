"""Whether an image may be put to the model as far as its header tells, and if not, why not, in plain words.

Pure decisions over :class:`~inference.header.Header`, one module a question: kind, subject, region, view and
orientation, age, image_pixel. ``terms`` finds words of the tables ``view_terms`` and ``region_terms`` in a header's
text; ``answer`` holds the three-state answer and the rule of the nearest source. No text of a header is repeated in
an answer: reasons name terms of these tables alone.
"""

from config.settings import InferenceSettings
from inference.eligibility import age, image_pixel, kind, orientation, region, subject, view
from inference.eligibility.age import patient_age_years
from inference.eligibility.answer import Doubt, HeaderAnswer, Region, View, taken_from_image
from inference.header import Header

__all__ = ["Doubt", "HeaderAnswer", "Region", "View", "eligibility", "patient_age_years"]


def eligibility(header: Header, settings: InferenceSettings) -> HeaderAnswer:
    """Return what the header says: refused, a frontal chest, or unknown. A refusal outranks a doubt."""
    part, seen = region.part_of(header, settings), view.view_of(header, settings)
    refusal = (
        kind.refusal_of(header)
        or subject.refusal_of(header, settings)
        or region.refusal_of(part)
        or view.refusal_of(seen)
        or orientation.not_upright(header.patient_orientation)
        or age.refusal_of(header, settings)
        or image_pixel.refusal_of(header, settings)
    )
    doubt = None if refusal else region.doubt_of(part) or view.doubt_of(seen)
    return HeaderAnswer(
        refusal,
        doubt,
        seen.value,
        region.region_of(part),
        age.remarks_of(header),
        mirrored=orientation.mirrored(header.patient_orientation),
        from_image=taken_from_image(part.doubt, seen.doubt) if doubt else "",
    )

"""Whether a decoded image can be a chest radiograph at all, by its pixels alone."""

import numpy as np

from inference.not_analysed import NotAnalysed, ReasonCode
from inference.pixels.covered import covered
from inference.pixels.picture import Picture
from inference.pixels.subsample import subsample

_SMALLEST_SIDE = 128
_NARROWEST = 4.0
_LEAST_SPREAD = 0.02
_MOST_OF_ONE_TONE = 0.97


def implausible(picture: Picture) -> NotAnalysed | None:
    """Return why a picture cannot be a chest radiograph, judged by its pixels alone; None when it may be."""
    short, long = sorted((picture.rows * picture.pixel_aspect, float(picture.columns)))
    if short < _SMALLEST_SIDE:
        return NotAnalysed(ReasonCode.TOO_SMALL, {"columns": picture.columns, "rows": picture.rows})
    if long > _NARROWEST * short:
        return NotAnalysed(ReasonCode.NARROW)
    sample = subsample(picture.gray)
    if float(sample.std()) < _LEAST_SPREAD:
        return NotAnalysed(ReasonCode.BLANK)
    tones = np.bincount((sample * 32).astype(np.uint8).ravel(), minlength=33)
    if tones.max() > _MOST_OF_ONE_TONE * sample.size:
        return NotAnalysed(ReasonCode.ONE_TONE)
    code = covered(picture.gray)
    return NotAnalysed(code) if code else None

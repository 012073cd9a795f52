"""Whether a decoded image can be a chest radiograph at all, by its pixels alone."""

import numpy as np

from config.language.translation import marked
from inference.findings import NotAnalysed, Reason
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
        because = f"its picture is only {picture.columns} × {picture.rows} pixels, too small to be judged"
        return NotAnalysed(Reason.IMPLAUSIBLE, because)
    if long > _NARROWEST * short:
        return NotAnalysed(Reason.IMPLAUSIBLE, marked("its picture is a narrow strip, not a whole chest"))
    sample = subsample(picture.gray)
    if float(sample.std()) < _LEAST_SPREAD:
        return NotAnalysed(Reason.IMPLAUSIBLE, marked("its picture is blank: all pixels have nearly the same tone"))
    tones = np.bincount((sample * 32).astype(np.uint8).ravel(), minlength=33)
    if tones.max() > _MOST_OF_ONE_TONE * sample.size:
        return NotAnalysed(Reason.IMPLAUSIBLE, marked("its picture is nearly empty: almost all of it has one tone"))
    because = covered(picture.gray)
    return NotAnalysed(Reason.IMPLAUSIBLE, because) if because else None

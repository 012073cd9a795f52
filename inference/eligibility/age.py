"""The patient's age at the examination, and the limit below which no model here was made."""

import re
from datetime import date

from config.settings import InferenceSettings
from inference.findings import Remark, RemarkKind
from inference.header import Header
from inference.not_analysed import NotAnalysed, ReasonCode

_OLDEST = 130
"""Years; an age beyond it is a mistake."""
_UNITS_A_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0, "": 1.0}


def refusal_of(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    """Return why a patient of this age is not analysed; None for one who is old enough or of unknown age.

    Where Patient's Age and birth date contradict each other across the limit, the younger age counts.
    """
    limit = settings.min_age_years
    age = patient_age_years(header)
    if age is not None and age < limit:
        return NotAnalysed(ReasonCode.TOO_YOUNG, {"years": limit})
    by_dates = _age_by_dates(header)
    if age is not None and by_dates is not None and by_dates < limit:
        return NotAnalysed(ReasonCode.AGE_CONTRADICTION, {"years": limit})
    return None


def remarks_of(header: Header) -> tuple[Remark, ...]:
    """Return the remark on a birth date that lies after every date of the examination."""
    born = _date(header.birth_date)
    taken = [day for day in map(_date, header.dates) if day is not None]
    if born is None or not taken or born <= max(taken):
        return ()
    known = patient_age_years(header) is not None
    age = "the age is that of Patient's Age" if known else "age unknown"
    return (Remark(RemarkKind.BIRTH_DATE_LATE, f"The birth date lies after the study date: {age}"),)


def patient_age_years(header: Header) -> float | None:
    """Return the age at the examination in years, None where the header does not tell.

    Patient's Age ("025Y", also a bare "25") counts, unless it is zero, which is written for an unknown age; then the
    birth date and the first of Study, Series, Acquisition and Content Date that gives an age from 0 to 130 years.
    Zero days, weeks or months without such dates is an infant, for those units are chosen by the age.
    """
    stated = _stated_age(header.patient_age)
    if stated is not None and stated > 0:
        return stated
    by_dates = _age_by_dates(header)
    if by_dates is None and stated == 0 and header.patient_age[-1:] in {"D", "W", "M"}:
        return 0.0
    return by_dates


def _stated_age(text: str) -> float | None:
    match = re.fullmatch(r"(\d{1,4})\s*([DWMY]?)", text, re.ASCII)
    if match is None:
        return None
    years = int(match[1]) / _UNITS_A_YEAR[match[2]]
    return years if years <= _OLDEST else None


def _age_by_dates(header: Header) -> float | None:
    born = _date(header.birth_date)
    if born is None:
        return None
    for text in header.dates:
        taken = _date(text)
        if taken is None:
            continue
        years = taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))
        if 0 <= years <= _OLDEST:
            return float(years)
    return None


def _date(text: str) -> date | None:
    """Parse DA, also with dots as ACR-NEMA 300 has it (2020.01.31)."""
    match = re.fullmatch(r"(\d{4})(\.?)(\d{2})\2(\d{2})", text, re.ASCII)
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None

"""Text as FHIR's string takes it, and DICOM's dates and names in FHIR's form."""

import re
from datetime import datetime

from fhir.resources.R4B.humanname import HumanName

from reporting.source import SourceImage, valid_for_vr

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What a string must not hold (FHIR R4, 2.24.0.1: Unicode characters below 32, other than tab, CR and LF)."""


def clean(text: str) -> str | None:
    """Return text without control characters and without space around it; None where nothing is left."""
    return _CONTROL.sub("", text).strip() or None


def date_of(keyword: str, source: SourceImage) -> str | None:
    """Return a date attribute (DA) as FHIR's date; None where the source has none that is legal."""
    day = source.text(keyword)
    if not day or not valid_for_vr(keyword, day):
        return None
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def study_time(source: SourceImage) -> str | None:
    """Return Study Date and Time as FHIR's dateTime.

    A time of day needs an offset there, so that it is left out where the source does not state one.
    """
    day, time, offset = date_of("StudyDate", source), source.text("StudyTime").split(".")[0], source.timezone()
    if day is None or offset is None or len(time) < 4 or not valid_for_vr("StudyTime", time):
        return day
    clock = f"{time[:2]}:{time[2:4]}:{time[4:6] or '00'}"
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=offset).isoformat()


def human_names(name: str) -> list[HumanName]:
    """Return a Person Name (PS3.5 6.2.1), one HumanName for each of its representations that is filled."""
    names = []
    for group in name.split("=")[:3]:
        family, given, middle, prefix, suffix = ([clean(part) for part in group.split("^")] + [None] * 5)[:5]
        parts = {
            "family": family,
            "given": [part for part in (given, middle) if part] or None,
            "prefix": [prefix] if prefix else None,
            "suffix": [suffix] if suffix else None,
        }
        if any(parts.values()):
            names.append(HumanName(**parts))
    return names

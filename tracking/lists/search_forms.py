"""The form in which identifiers, names and dates are searched: what is stored and what is typed go through the same."""

import re
import unicodedata

LONGEST = 64
"""Characters that count: as many as PS3.5 6.2 allows, and few enough for every database's index."""

_DATE = re.compile(r"([0-9]{4})[.-]?([0-9]{2})[.-]?([0-9]{2})")


def identifier(text: str) -> str:
    """Return an identifier in upper case, without what is insignificant at its ends."""
    return _upper(text.strip(" \0"))


def person(name: str) -> str:
    """Return the first group that a person name states as words: ``DOE JANE`` for ``Doe^Jane`` and ``Doe, Jane``."""
    groups = (" ".join(re.split(r"[\s^,]+", group.strip(" \0^,"))) for group in name.split("="))
    return _upper(next((group for group in groups if group), ""))


def study_date(text: str) -> str:
    """Return a date as YYYYMMDD, also one with the dots of ACR-NEMA or with hyphens; nothing for what is no date."""
    match = _DATE.fullmatch(text.strip(" \0"))
    return "".join(match.groups()) if match else ""


def _upper(text: str) -> str:
    return unicodedata.normalize("NFC", text).upper()[:LONGEST]

"""Whose picture it is, where only the file's name can tell."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from config.logs import get_logger

_NUMBERED = (
    re.compile(r"(?P<patient>\d{8})_\d{3}"),  # NIH ChestX-ray14: 00000013_005
    re.compile(r"(?P<patient>person\d+)_(?:bacteria|virus)_\d+", re.IGNORECASE),
    re.compile(r"(?P<patient>(?:NORMAL2-)?IM-\d{4})-\d{4}(?:-\d{4})?", re.IGNORECASE),
)
"""File names that carry a patient's number. The last two are those of the pneumonia pictures of Kermany et al. 2018,
whose ``person`` numbers may stand for one person with bacteria and another with a virus: kept together all the same,
which costs a little balance and cannot leak."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """A patient's key, and whether the file's name really says it."""

    patient: str
    known: bool


def owner_of(stem: str) -> Owner:
    """Return whose picture a file is, from its name without the ending.

    A name that carries no patient's number stands for a patient of its own.
    """
    for pattern in _NUMBERED:
        match = pattern.fullmatch(stem)
        if match:
            return Owner(match["patient"], known=True)
    return Owner(stem, known=False)


def warn_of_unknown(owners: Iterable[Owner], reader: str) -> int:
    """Log how many pictures have no known patient, so that a split by patient is one by image; return how many."""
    unknown = sum(not owner.known for owner in owners)
    if unknown:
        _log.warning(
            "patients unknown, each picture counts as its own: splits are by image", count=unknown, kind=reader
        )
    return unknown

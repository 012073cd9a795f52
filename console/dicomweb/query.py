"""Parameters of QIDO-RS (PS3.18 8.3.4): what is looked for, what is to be said of it, and which part of the result.

A matching key that this node cannot answer is refused: to ignore it would show more patients than were asked for.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydicom.datadict import tag_for_keyword
from starlette.exceptions import HTTPException

from tracking.lists.holdings import StudyMatch

MOST_RESULTS = 200
_HIGHEST_OFFSET = 1_000_000
_LONGEST_VALUE = 4096
_MOST_UIDS = 200
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"[0-9]{2,6}(\.[0-9]{1,6})?")
_OPTIONS = frozenset({"limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching", "accept"})

STUDY_KEYS = frozenset({
    "StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber", "StudyDate", "StudyTime", "ModalitiesInStudy",
})  # fmt: skip
SERIES_KEYS = frozenset({"SeriesInstanceUID", "Modality"})
INSTANCE_KEYS = frozenset({"SOPInstanceUID", "SOPClassUID"})
_KEYWORDS = {tag_for_keyword(keyword): keyword for keyword in STUDY_KEYS | SERIES_KEYS | INSTANCE_KEYS}


@dataclass(frozen=True, slots=True)
class Search:
    """What one search asks for: values by keyword, further attributes by tag, and which part of the result."""

    keys: Mapping[str, str] = field(default_factory=dict)
    fields: frozenset[int] = frozenset()
    all_fields: bool = False
    limit: int = MOST_RESULTS
    offset: int = 0

    def uids(self, keyword: str) -> tuple[str, ...]:
        """Return the UIDs of a list (PS3.4 C.2.2.2.2); empty matches all."""
        return tuple(uid for uid in re.split(r"[,\\]", self.keys.get(keyword, "")) if uid)[:_MOST_UIDS]

    def study_match(self) -> StudyMatch:
        """Return what studies are looked for by."""
        keys = self.keys
        return StudyMatch(
            study_uids=self.uids("StudyInstanceUID"),
            patient_id=keys.get("PatientID", ""),
            patient_name=keys.get("PatientName", ""),
            accession_number=keys.get("AccessionNumber", ""),
            modality=keys.get("ModalitiesInStudy", ""),
            date=_range(keys.get("StudyDate", ""), _DATE, "StudyDate"),
            time=_range(keys.get("StudyTime", ""), _TIME, "StudyTime"),
        )


def read_search(parameters: Iterable[tuple[str, str]], known: frozenset[str]) -> Search:
    """Return what a search asks for; 400 for what cannot be answered."""
    keys: dict[str, str] = {}
    fields: set[int] = set()
    numbers = {"limit": MOST_RESULTS, "offset": 0}
    all_fields = False
    for name, value in parameters:
        if name in numbers:
            numbers[name] = _number(name, value)
        elif name == "includefield":
            all_fields = all_fields or value == "all"
            fields |= {tag for entry in value.split(",") if (tag := _tag(entry)) is not None}
        elif name not in _OPTIONS:
            keyword = _KEYWORDS.get(_tag(name) or 0)
            if value.strip("* ") == "":
                continue  # universal matching (PS3.4 C.2.2.2.3) leaves nothing out
            if keyword not in known:
                raise HTTPException(400, f"A matching key is not supported here; there are {', '.join(sorted(known))}.")
            keys[keyword] = _text(value)
    limit = min(numbers["limit"], MOST_RESULTS)
    return Search(keys, frozenset(fields), all_fields, limit, numbers["offset"])


def _tag(name: str) -> int | None:
    """Return the tag of an attribute by its number or keyword; None for none of the Standard's."""
    return int(name, 16) if _TAG.fullmatch(name) else tag_for_keyword(name)


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) > _HIGHEST_OFFSET:
        raise HTTPException(400, f"{name} is a number from 0 to {_HIGHEST_OFFSET}.")
    return int(value)


def _text(value: str) -> str:
    if len(value) > _LONGEST_VALUE or not value.isprintable():
        raise HTTPException(400, "A value is too long, or has characters that cannot be searched for.")
    return value


def _range(text: str, form: re.Pattern[str], keyword: str) -> tuple[str, str]:
    """Return the ends of a range (PS3.4 C.2.2.2.5)."""
    first, dash, last = text.partition("-")
    ends = (first, last if dash else first)
    if not all(form.fullmatch(end) for end in ends if end):
        raise HTTPException(400, f"{keyword} is a value or a range such as A-B, A- or -B, without separators.")
    return ends

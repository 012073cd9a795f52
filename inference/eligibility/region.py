"""The region: anatomic region codes and Body Part Examined, then descriptions, the nearest first."""

from collections.abc import Collection
from functools import cache

from pydicom.sr.codedict import codes

from config.settings import InferenceSettings
from inference.eligibility.answer import Doubt, Region, Sources, Statement, nearest
from inference.eligibility.region_terms import CHEST, CHEST_CODES, REGION_TERMS, UNKNOWN
from inference.eligibility.terms import is_placeholder
from inference.header import CodedTerm, Header
from inference.not_analysed import NotAnalysed, ReasonCode

_DOUBTS = {
    Doubt.SILENT: ReasonCode.BODY_PART_SILENT,
    Doubt.UNRECOGNISED: ReasonCode.BODY_PART_UNRECOGNISED,
    Doubt.CONTRADICTION: ReasonCode.BODY_PART_CONTRADICTION,
}
_BODY_PART = "body part examined"


def part_of(header: Header, settings: InferenceSettings) -> Statement[str]:
    """Return the part of the body that the header names; a silent header shows the chest where the site assumes it."""
    texts = header.descriptions
    near = (_by_codes_and_body_part(header), *(_by_text(t.source.value, t.text) for t in texts if t.source.near))
    far = [_by_text(t.source.value, t.text) for t in texts if not t.source.near]
    part = nearest(Sources(near, far), CHEST, UNKNOWN)
    return Statement(CHEST) if part.doubt is Doubt.SILENT and settings.assume_chest else part


def region_of(part: Statement[str]) -> Region:
    """Return what a part means for the model."""
    if part.doubt:
        return Region.UNKNOWN
    return Region.CHEST if part.value == CHEST else Region.OTHER


def refusal_of(part: Statement[str]) -> NotAnalysed | None:
    """Return why a part is not analysed, None for the chest and for what is unknown. Names terms of our tables only."""
    if part.doubt or part.value == CHEST:
        return None
    if part.source == _BODY_PART:
        return NotAnalysed(ReasonCode.BODY_PART, {"part": part.value})
    return NotAnalysed(ReasonCode.BODY_PART_SAID, {"source": part.source, "part": part.value})


def doubt_of(part: Statement[str]) -> NotAnalysed | None:
    """Return why an unknown part is not analysed where nothing but the header tells; None for a known one."""
    return NotAnalysed(_DOUBTS[part.doubt]) if part.doubt else None


def _by_codes_and_body_part(header: Header) -> Statement[str] | None:
    coded = [part for term in header.regions for part in _parts_of(term)]
    parts = [*coded, *REGION_TERMS.find(header.body_part)]
    if not parts and (header.regions or not is_placeholder(header.body_part)):
        return Statement(UNKNOWN, _BODY_PART, Doubt.UNRECOGNISED)
    return _stated(_BODY_PART, parts)


def _parts_of(term: CodedTerm) -> tuple[str, ...]:
    if term.value in CHEST_CODES:
        return (CHEST,)
    meaning = _common_regions().get(term.value)
    if meaning is None:
        return REGION_TERMS.find(term.meaning)
    return REGION_TERMS.find(meaning) or (meaning,)


@cache
def _common_regions() -> dict[str, str]:
    """Return the meanings of CID 4031 Common Anatomic Region by code; without those that may include the chest."""
    regions = (getattr(codes.cid4031, name) for name in codes.cid4031.dir())
    return {code.value: code.meaning for code in regions if code.value not in _NO_OTHER_REGION}


_NO_OTHER_REGION = {"38266002", "72410000", "80891009", "44567001", "86598002"}
"""Entire body, mediastinum, heart, trachea, apex of lung: no claim that it is another part than the chest."""


def _by_text(source: str, text: str) -> Statement[str] | None:
    return _stated(source, REGION_TERMS.find(text))


def _stated(source: str, parts: Collection[str]) -> Statement[str] | None:
    """Judge the parts that one source names; the chest beside others, as of a trauma study, is no answer."""
    if not parts:
        return None
    clear = [part for part in parts if part != UNKNOWN]
    if not clear or (CHEST in clear and set(clear) != {CHEST}):
        return Statement(UNKNOWN, source, Doubt.CONTRADICTION)
    return Statement(clear[0], source)

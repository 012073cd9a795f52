"""The subject: a human patient, no animal, no phantom and no test patient.

Sources: Quality Control Image (0028,0300), PS3.3 C.7.6.1.1; Patient Species Description (0010,2201) and Code Sequence,
C.7.1.1 and CID 7454; Patient Breed Description (0010,2292).
"""

from collections.abc import Iterable
from functools import lru_cache

from config.settings import InferenceSettings
from inference.eligibility.terms import is_placeholder, words
from inference.header import Header
from inference.not_analysed import NotAnalysed, ReasonCode

OWN_PHANTOMS = "CXRNODE-PHANTOM"
"""Issuer of Patient ID of the phantoms that this project draws; they are analysed, so that a node can be tried."""

_HUMAN_CODES = {"337915000", "L-85B00"}
_HUMAN = {
    words(text)
    for text in (
        "human", "human being", "homo sapiens", "homo sapiens sapiens", "h sapiens", "humain", "humano", "humana",
        "umano", "umana", "Mensch", "menschlich", "человек", "ludzki", "człowiek", "insan", "mens", "人", "ヒト",
        "人間", "人类", "사람",
    )
}  # fmt: skip
_PHANTOM_CODE = "706342009"
_PHANTOM_WORDS = ("PHANTOM",)


def refusal_of(header: Header, settings: InferenceSettings) -> NotAnalysed | None:
    """Return why this subject is not analysed, None for a human patient."""
    if header.quality_control_image == "YES":
        return NotAnalysed(ReasonCode.QUALITY_CONTROL)
    if words(header.body_part) == _PHANTOM_WORDS or any(term.value == _PHANTOM_CODE for term in header.regions):
        return NotAnalysed(ReasonCode.PHANTOM)
    if _is_animal(header):
        return NotAnalysed(ReasonCode.ANIMAL)
    if _is_test_patient(header, settings.refuse_test_patients):
        return NotAnalysed(ReasonCode.TEST_PATIENT)
    return None


def _is_animal(header: Header) -> bool:
    if any(term.value in _HUMAN_CODES or words(term.meaning) in _HUMAN for term in header.species):
        return False
    if words(header.species_description) in _HUMAN:
        return False
    coded = any(term.value or not is_placeholder(term.meaning) for term in header.species)
    return coded or not is_placeholder(header.species_description) or not is_placeholder(header.breed)


def _is_test_patient(header: Header, patterns: Iterable[str]) -> bool:
    """Tell whether a pattern's words stand together in Patient's Name or ID; after "=" they must be all there is.

    Numbers in a name are ignored ("TEST 01"); those in an ID are not, for "QC 123456" may be a province's.
    """
    if header.patient_id_issuer == OWN_PHANTOMS:
        return False
    name = tuple(word for word in words(header.patient_name) if not word.isdigit())
    identifier = words(header.patient_id)
    return any(
        wanted in {name, identifier} if whole else _holds(name, wanted) or _holds(identifier, wanted)
        for wanted, whole in map(_pattern, patterns)
        if wanted
    )


@lru_cache(maxsize=256)
def _pattern(text: str) -> tuple[tuple[str, ...], bool]:
    """Return a pattern's words, and whether they must be all there is."""
    return words(text), text.lstrip().startswith("=")


def _holds(text: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return any(text[start : start + len(wanted)] == wanted for start in range(len(text) - len(wanted) + 1))

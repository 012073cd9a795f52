"""Which kinds of object this node takes: ``receive.accept`` as SOP Class UIDs (PS3.4 Annex B.5)."""

from collections.abc import Iterable
from functools import cache

from pynetdicom import AllStoragePresentationContexts

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model SOP Class (PS3.4 J.3)."""
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
"""The well-known instance of it (PS3.4 J.3.5)."""
WITHOUT_OBJECTS = frozenset({VERIFICATION, STORAGE_COMMITMENT})
"""Classes that are accepted and under which nothing is stored."""
COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DIGITAL_X_RAY_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
DIGITAL_X_RAY_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

_BY_POLICY = {
    "CR": COMPUTED_RADIOGRAPHY,
    "DX": DIGITAL_X_RAY_FOR_PRESENTATION,
    "DX-for-processing": DIGITAL_X_RAY_FOR_PROCESSING,
    "SC": SECONDARY_CAPTURE,
}


_RETIRED = (
    "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame Image
    "1.2.840.10008.5.1.4.1.1.5",  # Nuclear Medicine Image
    "1.2.840.10008.5.1.4.1.1.6",  # Ultrasound Image
    "1.2.840.10008.5.1.4.1.1.12.3",  # X-Ray Angiographic Bi-Plane Image
    "1.2.840.10008.5.1.4.1.1.77.1",  # VL Image
    "1.2.840.10008.5.1.4.1.1.77.2",  # VL Multi-frame Image
)
"""Image classes that the Standard has dropped and archives still send (PS3.6 Annex A)."""


@cache
def every_storage_class() -> tuple[str, ...]:
    """Return every Storage SOP Class UID that the installed pynetdicom knows, radiographs first."""
    first = tuple(_BY_POLICY.values())
    others = sorted({str(context.abstract_syntax) for context in AllStoragePresentationContexts} - set(first))
    others += _RETIRED
    return (*first, *others)


def accepted_sop_classes(policy: Iterable[str]) -> tuple[str, ...]:
    """Return the Storage SOP Class UIDs for the words of ``receive.accept``, each once."""
    words = tuple(policy)
    if "any-image" in words:
        return every_storage_class()
    return tuple(dict.fromkeys(_BY_POLICY[word] for word in words))


def policy_word(sop_class_uid: str) -> str:
    """Return the word of ``receive.accept`` that names this class and no other, or nothing."""
    return next((word for word, uid in _BY_POLICY.items() if uid == sop_class_uid), "")

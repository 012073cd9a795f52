"""Kinds of documents: what the database, the archives and the pages need to know of each.

Rows name a kind by its ``name``. A new kind is one entry of ``KINDS``, and a room of :mod:`reporting` that builds it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Encoding(StrEnum):
    """What a document's bytes are, as a media type."""

    DICOM = "application/dicom"
    HL7_V2 = "application/hl7-v2"
    FHIR_JSON = "application/fhir+json"


_SUFFIXES = {Encoding.DICOM: ".dcm", Encoding.HL7_V2: ".hl7", Encoding.FHIR_JSON: ".json"}


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """One kind of document.

    Parameters
    ----------
    name
        As rows, settings and the interface for programs name it.
    modality
        Modality (0008,0060) of a DICOM object that says a result; empty for what says none, and for messages.
    encoding
        What its bytes are.
    is_image
        Whether it has pixels.
    is_tree
        Whether it is a tree of content items (PS3.3 C.17.3).
    takes_back
        Whether it says of other documents that they do not hold any more.
    overtaken_by
        Kinds of which a later one, of a later revision, makes one needless that was not sent yet.
    """

    name: str
    modality: str = ""
    encoding: Encoding = Encoding.DICOM
    is_image: bool = False
    is_tree: bool = False
    takes_back: bool = False
    overtaken_by: tuple[str, ...] = ()

    @property
    def is_message(self) -> bool:
        """Tell whether it is an HL7 version 2 message."""
        return self.encoding is Encoding.HL7_V2

    @property
    def is_bundle(self) -> bool:
        """Tell whether it is a FHIR Bundle."""
        return self.encoding is Encoding.FHIR_JSON

    @property
    def last_counts(self) -> bool:
        """Tell whether its receivers keep what came last; an archive of DICOM objects keeps all, each by its UID."""
        return self.encoding is not Encoding.DICOM

    @property
    def suffix(self) -> str:
        """Return the ending of its files, with the dot."""
        return _SUFFIXES[self.encoding]


REPORT = DocumentKind("sr", modality="SR", is_tree=True, overtaken_by=("sr",))
CAPTURE = DocumentKind("sc", modality="OT", is_image=True, overtaken_by=("sc",))
GREY_CAPTURE = DocumentKind("sc-grey", modality="OT", is_image=True, overtaken_by=("sc-grey", "sc", "sr"))
SCORE_MAP = DocumentKind("map", modality="OT", is_image=True, overtaken_by=("map", "sc", "sr"))
SUMMARY_PAGE = DocumentKind("summary", modality="OT", is_image=True, overtaken_by=("summary", "sr"))
PRESENTATION_STATE = DocumentKind("pr", modality="PR", overtaken_by=("pr", "sc", "sr"))
MESSAGE = DocumentKind("hl7", encoding=Encoding.HL7_V2, overtaken_by=("hl7",))
REJECTION_NOTE = DocumentKind("note", is_tree=True, takes_back=True, overtaken_by=("note",))
CORRECTION = DocumentKind("hl7-note", encoding=Encoding.HL7_V2, takes_back=True, overtaken_by=("hl7",))
BUNDLE = DocumentKind("fhir", encoding=Encoding.FHIR_JSON, overtaken_by=("fhir",))
BUNDLE_WITHDRAWAL = DocumentKind("fhirnote", encoding=Encoding.FHIR_JSON, takes_back=True, overtaken_by=("fhir",))

_ALL = (
    REPORT, CAPTURE, GREY_CAPTURE, SCORE_MAP, SUMMARY_PAGE, PRESENTATION_STATE, MESSAGE, BUNDLE, REJECTION_NOTE,
    CORRECTION, BUNDLE_WITHDRAWAL,
)  # fmt: skip
KINDS = {kind.name: kind for kind in _ALL}
IN_ARCHIVES = tuple(kind.name for kind in KINDS.values() if kind.modality)
"""Results that stay beside later ones, until somebody takes them away."""
IMAGES = tuple(kind.name for kind in KINDS.values() if kind.is_image)
MESSAGES = tuple(kind.name for kind in KINDS.values() if kind.is_message)
NOTES = tuple(kind.name for kind in KINDS.values() if kind.takes_back)
TREES = tuple(kind.name for kind in KINDS.values() if kind.is_tree)
BUNDLES = tuple(kind.name for kind in KINDS.values() if kind.is_bundle)
LAST_COUNTS = tuple(kind.name for kind in KINDS.values() if kind.last_counts)

"""Studies, their images, findings, documents, deliveries and history."""

from datetime import datetime
from typing import Any

from console.api.models.answer import Answer


class Patient(Answer):
    """Whose a study or an image is, as the source says."""

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    """In DICOM's form, components with ``^`` between."""
    patient_birth_date: str
    patient_sex: str


class StudyHeader(Patient):
    """What the source says about patient and study; empty where it says nothing."""

    study_uid: str
    accession_number: str
    study_date: str
    study_time: str
    description: str


class Finding(Answer):
    """One finding on one image, or the worst news of several images in a list."""

    instance_uid: str
    label: str
    meaning: str
    score: float
    """Calibrated probability, 0 to 1."""
    level: str
    """``absent``, ``possible`` or ``present``: where the score stands against the operating points."""
    abnormal: bool
    stated: bool
    """Words may be made of it; otherwise it is scored only."""
    marks: tuple[float, ...]
    """The operating points, 0 to 1, the sensitive one first."""


class ClaimedFinding(Finding):
    """A finding with what is claimed of it beside the others of its image."""

    claim: str
    """``present``, ``undetermined``, ``absent``, ``withheld`` or ``scored-only``."""
    detail: dict[str, Any]
    """The finding whole: codes, boxes, operating points, evidence."""


class ListedStudy(Answer):
    """One row of the list of studies."""

    header: StudyHeader
    status: str
    received_at: datetime
    urgent: bool
    calling_ae: str
    model: str | None
    images: int
    rejected: int
    deliveries: int
    delivered: int
    retrying: bool
    findings: tuple[Finding, ...]
    """What is stated; of several images the worst news."""
    not_analysed: tuple[str, ...]
    problems: tuple[str, ...]
    kind: str = "received"
    """``upload`` for what a user of the console brought; it is sent nowhere unless its owner has it sent."""
    uploaded_by: str | None = None
    """Of an upload whose it is."""


class StudyList(Answer):
    """A page of studies, the newest first."""

    studies: tuple[ListedStudy, ...]
    total: int
    """How many match, counted up to a bound."""
    total_is_exact: bool
    older: str | None
    """Give it as ``after`` for the next page; null on the last one."""
    newer: str | None
    """Give it as ``before`` for the page before."""


class Image(Answer):
    """One image as it was received."""

    instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    size: int
    calling_ae: str
    address: str
    revision: int
    received_at: datetime
    duplicates: int
    conflicts: int
    rejected: str | None
    patient: Patient | None


class NotAnalysed(Answer):
    """Why one image was not analysed."""

    instance_uid: str
    reason: str
    """The kind of reason."""
    because: str
    """The reason in English words."""
    code: str | None = None
    """The reason by code; null where an earlier version kept none."""
    values: dict[str, Any] | None = None
    """What the words name, such as numbers."""


class Remark(Answer):
    """What a reader must know about how an image was read."""

    instance_uid: str
    kind: str
    text: str


class Delivery(Answer):
    """One document at one destination."""

    kind: str
    document_uid: str
    destination: str
    state: str
    attempts: int
    error: str | None
    finished_at: datetime | None
    confirmation: str | None
    """What confirms it: ``awaited`` (nothing yet), ``commitment`` or ``query``; null where its answer is enough."""
    confirmed_at: datetime | None


class Document(Answer):
    """One document; its bytes are under ``/api/v1/documents/{uid}/content``."""

    uid: str
    kind: str
    """``sr``, ``sc``, ``sc-grey``, ``map``, ``summary``, ``pr``, ``hl7`` or ``fhir``; ``note``, ``hl7-note`` or
    ``fhirnote`` where it takes others back."""
    study_uid: str
    analysis_id: int
    revision: int
    series_uid: str | None
    sop_class_uid: str | None
    size: int
    sha256: str
    media_type: str
    quarantined: str | None
    """Why it failed its own check and was never sent; null for the others."""
    built_at: datetime
    stands: bool
    """It is of the latest analysis, and nothing made that void."""


class DocumentList(Answer):
    """All documents of a study in the order in which they were built."""

    documents: tuple[Document, ...]


class DocumentWithDeliveries(Document):
    """One document, and where it went."""

    deliveries: tuple[Delivery, ...]


class Analysis(Answer):
    """One analysis of a study."""

    id: int
    revision: int
    model: str
    digest: str
    engine: str
    seconds: float
    completed_at: datetime
    documents: int
    void: bool
    findings: tuple[ClaimedFinding, ...]


class HistoryLine(Answer):
    """One line of the audit log."""

    seq: int
    at: datetime
    type: str
    outcome: str
    service: str
    study_uid: str | None
    detail: dict[str, str | int | float | bool | None]
    hash: str


class Study(Answer):
    """A study with everything that is on record about it; analyses begin with the latest."""

    header: StudyHeader
    kind: str
    """``received``, or ``upload`` of what a user of the console brought."""
    uploaded_by: str | None
    """Of an upload whose it is."""
    status: str
    revision: int
    received_at: datetime
    conflicts: int
    rejected: int
    problems: tuple[str, ...]
    not_analysed: tuple[NotAnalysed, ...]
    remarks: tuple[Remark, ...]
    images: tuple[Image, ...]
    analyses: tuple[Analysis, ...]
    documents: tuple[Document, ...]
    deliveries: tuple[Delivery, ...]
    history: tuple[HistoryLine, ...]
    """The newest lines of the audit log about it, the newest last; looks are not among them."""

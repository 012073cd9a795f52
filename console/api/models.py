"""What ``/api/v1`` answers with: frozen models, apart from the rows and read models that they are filled from.

A field may be added within v1; none is removed, and none changes its meaning.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True, from_attributes=True, use_attribute_docstrings=True)


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


class Destination(Answer):
    """What waits for a destination, and whether it is paused."""

    name: str
    kind: str | None
    """``dicom`` or ``hl7``; null where the settings no longer have it."""
    waiting: int
    stopped: int
    delivered: int
    """Counted up to a bound."""
    not_taken: int
    failures: int
    paused_until: datetime | None
    """Until when nothing is sent after failures."""
    held_since: datetime | None
    """Since when somebody has paused it; null where nobody has."""
    error: str | None
    last_error: str | None


class StoppedDelivery(Answer):
    """A delivery that waits for a person."""

    study_uid: str
    kind: str
    destination: str
    attempts: int
    error: str
    stopped_at: datetime | None


class DestinationList(Answer):
    """All destinations, and the newest deliveries that wait for a person."""

    destinations: tuple[Destination, ...]
    stopped: tuple[StoppedDelivery, ...]


class Refusal(Answer):
    """What the receiver refused, how often, and the setting that would change it."""

    kind: str
    reason: str
    cure: str
    calling_ae: str
    called_ae: str
    address: str
    sop_class_uid: str
    transfer_syntax_uid: str
    count: int
    first_at: datetime
    last_at: datetime


class RefusalList(Answer):
    """Refusals, the latest first."""

    refusals: tuple[Refusal, ...]


class AuditLines(Answer):
    """Lines of the audit log in their order, the newest last."""

    lines: tuple[HistoryLine, ...]
    before: int | None
    """Give it as ``before`` for the lines before these; null where there are none."""


class Code(Answer):
    """A coded concept."""

    value: str
    scheme: str
    meaning: str


class OperatingPoints(Answer):
    """The two thresholds of a finding, 0 to 1."""

    sensitive: float
    specific: float


class Share(Answer):
    """How many of some images got a call."""

    calls: int
    images: int


class Evidence(Answer):
    """What a finding's calls were worth where the package did not learn."""

    point: float
    images: int
    positives: int
    calls: int
    right: int
    predictive_value: float
    normals: Share
    elsewhere: Share
    source: str


class PackageFinding(Answer):
    """One finding of a model package at the operating points in force."""

    label: str
    code: Code
    abnormal: bool
    stated: bool
    points: OperatingPoints
    evidence: Evidence | None


class Package(Answer):
    """One installed model package."""

    name: str
    version: str
    kind: str
    digest: str
    """SHA-256 of its manifest, which every document names."""
    title: str
    summary: str
    licence: str
    intended_use: str
    card: str
    """Markdown."""
    in_use: bool
    findings: tuple[PackageFinding, ...]


class PackageList(Answer):
    """The installed packages, those in use first."""

    packages: tuple[Package, ...]


class Model(Answer):
    """Which model spoke."""

    name: str
    version: str
    digest: str
    engine: str


class AnsweredFinding(Answer):
    """One finding of an image that belongs to no study, whole."""

    model_config = ConfigDict(extra="allow")

    claim: str
    label: str
    score: float
    level: str
    abnormal: bool
    stated: bool


class AnsweredFile(Answer):
    """The answer to one file, as ``cxrnode analyse --json`` prints it."""

    file: str
    kind: str | None
    analysed: bool
    reason: str | None
    because: str | None
    code: str | None
    values: dict[str, Any] | None
    lines: tuple[str, ...]
    findings: tuple[AnsweredFinding, ...]
    remarks: tuple[dict[str, Any], ...]
    verdict: dict[str, Any] | None
    distance: float | None
    overlay: str | None = None
    maps: dict[str, str] = {}
    seconds: float


class FileAnswers(Answer):
    """The answers to the files of one request."""

    disclaimer: str
    model: Model | None
    """Null where no file was small enough to be looked at."""
    files: tuple[AnsweredFile, ...]


class ActOutcome(Answer):
    """What an act came to; where nothing had to be changed, the words say so."""

    act: str
    subject: str
    """The study's UID or the destination's name."""
    outcome: str


Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels of the source image."""


class ReaderAnswer(Answer):
    """An answer of a reader that holds."""

    id: int
    subject: str
    answer: str
    """``agree``, ``disagree``, ``unsure``, ``corrected``, ``added``, ``nothing-missed`` or ``comment``."""
    name: str
    box: Box | None
    comment: str
    user: str
    at: datetime


class AnswerableFinding(Answer):
    """A finding or a region of one, and what readers answered."""

    subject: str
    """The tracking UID, as the structured report has it."""
    kind: str
    """``finding`` or ``region``."""
    label: str
    name: str
    region: int | None
    said: str
    """What the model says, such as ``present 91 %``."""
    box: Box | None
    answers: tuple[ReaderAnswer, ...]


class AnswerableImage(Answer):
    """One analysed image, and what can be answered about it."""

    instance_uid: str
    rows: int | None
    """Null where the image cannot be read: no box can be drawn then."""
    columns: int | None
    findings: tuple[AnswerableFinding, ...]
    nothing_missed_subject: str
    comment_subject: str
    nothing_missed: tuple[ReaderAnswer, ...]
    added: tuple[ReaderAnswer, ...]
    comments: tuple[ReaderAnswer, ...]


class StudyAnswers(Answer):
    """What can be answered about a study."""

    analysis: int | None
    """Send it back with an answer; null where no result holds."""
    images: tuple[AnswerableImage, ...]


class AnswerOutcome(Answer):
    """What came of an answer."""

    id: int | None
    """Its number; null where it stood already."""


class KeptFile(AnsweredFile):
    """The answer to one file, and the study that it became."""

    study_uid: str | None
    """Null where nothing was kept: ``because`` says why."""
    model: Model | None
    """Null where no model was asked."""


class KeptFiles(Answer):
    """The answers to the files of one upload."""

    disclaimer: str
    files: tuple[KeptFile, ...]


class Done(Answer):
    """What an act came to, in words."""

    outcome: str


class FindingPoints(Answer):
    """The operating points of one finding here."""

    label: str
    stated: bool
    points: OperatingPoints
    """In force."""
    of_package: OperatingPoints
    source: str
    """``package``, ``settings`` (the settings file) or ``page`` (a person)."""
    changed_by: str | None
    changed_at: datetime | None


class WantedPoints(Answer):
    """Operating points to be set, 0 to 1, the sensitive one not above the specific one."""

    sensitive: float = Field(ge=0, le=1)
    specific: float = Field(ge=0, le=1)


class PointsList(Answer):
    """The operating points of the package in use."""

    package: str
    version: str
    findings: tuple[FindingPoints, ...]


class Proportion(Answer):
    """A share of counted cases with Wilson's 95 % interval; (0, 1) of no case."""

    cases: int
    of: int
    interval: tuple[float, float]


class CallValue(Answer):
    """What calls at a point are worth on images that readers answered about."""

    sensitivity: Proportion
    predictive_value: Proportion


class PointEffect(Answer):
    """What other points would have done on past studies."""

    studies: int
    """The newest received studies that were looked into."""
    changed: int
    """Those of them whose result would be of another class."""
    answered: int
    """Images of which readers said whether they show the finding."""
    sensitive: CallValue
    specific: CallValue

"""Summaries: what the command line, the console and the doctor show of studies and destinations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tracking.studies.conflicts import StatedPatient
from tracking.studies.patient import PatientIdentity

_DIGEST_DIGITS = 12
"""As many of a SHA-256 tell files of one instance apart."""


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """One document at one destination; ``state`` is waiting, delivered, stopped, not-taken, overtaken or withheld."""

    kind: str
    document_uid: str
    destination: str
    state: str
    attempts: int
    error: str | None
    finished_at: datetime | None
    confirmation: str | None = None
    """What confirms it (:class:`tracking.outbox.confirmations.Confirmation`); None where its answer is enough."""
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """One finding on one image."""

    instance_uid: str
    label: str
    meaning: str
    score: float
    level: str
    abnormal: bool
    boxes: int
    note: str = ""
    """What the model package says has to stand beside the score."""
    stated: bool = False
    """Whether words may be made of it; otherwise it is scored only."""
    marks: tuple[float, ...] = ()
    """The operating points it was read against, 0 to 1, the sensitive one first."""


@dataclass(frozen=True, slots=True)
class RemarkSummary:
    """What a reader must know about how an analysed image was read."""

    instance_uid: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why an image was not analysed: in English words, and by code and values, None where none were kept."""

    because: str
    code: str | None = None
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class OutcomeSummary:
    """Why one image was not analysed; ``reason`` is the kind of reason, the rest as :class:`WhyNot` has it."""

    instance_uid: str
    reason: str
    because: str
    code: str | None = None
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """One document; ``path`` is relative to the document store."""

    kind: str
    uid: str
    path: str
    quarantined: str | None
    analysis_id: int


@dataclass(frozen=True, slots=True)
class RetrySummary:
    """Work that failed and is tried again by itself: ``step`` is analyse, report or deliver.

    ``attempts`` counts the failures so far; ``documents`` and ``destination`` are a delivery's; ``next_try_at`` is
    when the next attempt is due (in the past while it runs). No patient data: errors never hold any.
    """

    step: str
    destination: str | None
    documents: int
    attempts: int
    error: str
    next_try_at: datetime
    held: bool = False
    """Whether somebody paused the destination, so that nothing is tried."""


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """One instance as it was received.

    ``conflicts`` counts other bytes that came under its UID and wait for a decision, ``lossy_copies`` those of the same
    image after lossy compression; ``rejected`` is why an administrator took it out of the study (``by-hand``,
    ``other-patient``), or None. ``patient`` is whose it is, for
    the screen only; None where an earlier version did not keep it.
    """

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
    rejected: str | None = None
    patient: PatientIdentity | None = None
    lossy_copies: int = 0


@dataclass(frozen=True, slots=True)
class KeptAside:
    """Bytes that wait for a decision: they came under the UID of an instance that stands for other bytes.

    ``differing`` names the elements in which they are of another patient, ``study_uid`` is the study they name,
    ``stands_in`` the study that the instance is in. ``patient`` is whose they are, for the screen only; None where an
    earlier version did not keep it.
    """

    instance_uid: str
    sha256: str
    study_uid: str
    received_at: datetime
    differing: tuple[str, ...]
    patient: PatientIdentity | None
    stands_in: str


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study and where it stands; findings and documents are those of its latest analysis.

    ``instances`` counts all, ``rejected`` those of them that are out. In a conflict ``patients`` are those that the
    others name, for the screen only. Findings and remarks of an analysis that is void, because the study is in
    conflict or its instances changed since, are left out; its documents are not, as they may have been delivered.
    ``kept_aside`` holds the files that wait under UIDs of its instances, and those that name this study while their
    UID stands for an image of another one.
    """

    study_uid: str
    accession_number: str
    revision: int
    received_at: datetime
    instances: int
    conflicts: int
    status: str
    model: str | None
    analysed_at: datetime | None
    findings: tuple[FindingSummary, ...]
    not_analysed: tuple[OutcomeSummary, ...]
    documents: tuple[DocumentSummary, ...]
    deliveries: tuple[DeliverySummary, ...]
    retrying: tuple[RetrySummary, ...]
    problems: tuple[str, ...]
    rejected: int = 0
    patients: tuple[StatedPatient, ...] = ()
    kept_aside: tuple[KeptAside, ...] = ()
    remarks: tuple[RemarkSummary, ...] = ()
    kind: str = "received"
    """``upload`` for what a user of the console brought."""


@dataclass(frozen=True, slots=True)
class DestinationSummary:
    """What waits for a destination, and until when failures let it rest.

    What it has, ``delivered`` and ``not_taken``, is counted up to a bound
    (:data:`tracking.lists.queries.COUNTED_UP_TO`).
    """

    name: str
    waiting: int
    stopped: int
    delivered: int
    failures: int
    paused_until: datetime | None
    error: str | None
    not_taken: int = 0
    """Structured reports that were not sent, because it takes none."""
    unconfirmed: int = 0
    """Delivered documents for which its confirmation is awaited."""


def way_to_accept(study: StudySummary, kept: KeptAside) -> str:
    """Return the command that puts bytes which wait for a decision in the place of those that stand."""
    return f"cxrnode study accept {study.study_uid} {_which(kept)}"


def way_to_decline(study: StudySummary, kept: KeptAside) -> str:
    """Return the command that lets nobody wait any more for a decision on these bytes."""
    return f"cxrnode study reject {study.study_uid} {_which(kept)} --kept-aside"


def _which(kept: KeptAside) -> str:
    """Return the options that name one file: another may come under its UID before the command is given."""
    return f"--instance {kept.instance_uid} --sha256 {kept.sha256[:_DIGEST_DIGITS]}"

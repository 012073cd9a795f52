"""The worker of the ``report`` queue: one analysis in, all its documents out, each built once and checked.

A document that cannot be built, or fails its check, is quarantined with the reason; the others are still recorded
and delivered. Only what is wrong with this node (no disk, no database) fails the job.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from config.errors import CxrnodeError, DocumentRejected, StorageFull, UnreadableInstance
from config.logs import get_logger
from config.settings import DicomDestination, Hl7Destination, Settings
from inference.findings import (
    ModelIdentity,
    Remark,
    RemarkKind,
    finding_from_json,
    remarks_from_json,
    remarks_to_json,
)
from inference.pixels import Picture, read_picture
from reporting import patients
from reporting.account import Account, AnalysedImage, Predecessor, SkippedImage
from reporting.capture import build_capture, capture_uids
from reporting.conformance import check_capture, check_message, check_report
from reporting.documents import StoredFile, write_document
from reporting.message import ReportReference, build_message, message_id
from reporting.report import ReportClass, build_report, report_uids
from reporting.source import SourceImage, read_source
from tracking import conflicts
from tracking.analyses import OutcomeRecord, StoredAnalysis, load_analysis
from tracking.database import Database
from tracking.documents import DocumentRecord, note_left_out, record_documents
from tracking.loop import Commit
from tracking.queue import Job

log = get_logger(__name__)
REPORT_CLASS = ReportClass.COMPREHENSIVE_3D
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOTHING = StoredFile("", "", 0)
_MILLISECONDS_AN_HOUR = 3_600_000
LEAST_DECODED = 1024
"""Pixels of the longest side that are decoded for a capture, at least: more than a model wants, so that an image that
was analysed whole, and is at hand, is also what would be decoded anew."""


@dataclass
class Documents:
    """What one analysis has been turned into so far: records, and which of them goes where."""

    records: list[DocumentRecord] = field(default_factory=list)
    routes: list[tuple[str, str]] = field(default_factory=list)
    lead_uid: str = ""
    """The image whose patient and study attributes the documents carry."""
    left_out: tuple[Remark, ...] = ()
    """Which of those attributes the DICOM documents leave empty."""


class ReportHandler:
    """Turns an analysis into documents on disk and rows in the outbox. Safe to share between threads.

    ``at_hand`` gives the picture of a file if somebody has it decoded already; all others are drawn from their files.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        at_hand: Callable[[Path], Picture | None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._at_hand = at_hand

    def run(self, job: Job) -> Commit | None:
        """Build, check and store the documents of ``job``'s analysis; return what to write."""
        with self._database.reading() as read:
            analysis = load_analysis(read, job.payload["analysis_id"])
            withheld = conflicts.is_withheld(read, analysis.study_uid, analysis.revision)
            before = load_analysis(read, analysis.supersedes) if analysis.supersedes is not None else None
        if withheld:
            return lambda tx: record_documents(tx, analysis.id, (), ())
        try:
            documents = self._compose(analysis, before)
        except OSError as error:
            if error.errno in _FULL:
                msg = "no room for documents in node.data_dir; make room there"
                raise StorageFull(msg) from None
            raise

        def commit(tx: Session) -> None:
            note_left_out(tx, analysis.id, documents.lead_uid, remarks_to_json(documents.left_out))
            record_documents(
                tx,
                analysis.id,
                documents.records,
                documents.routes,
                give_up_ms=round(self._settings.delivery.give_up_after_hours * _MILLISECONDS_AN_HOUR),
            )

        return commit

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Leave the job's own row to speak: an analysis without documents has no other state."""

    def _compose(self, analysis: StoredAnalysis, before: StoredAnalysis | None) -> Documents:
        account = make_account(analysis, before, self._settings)
        paths = {stored.instance_uid: stored.path for stored in analysis.instances}
        documents = Documents(lead_uid=account.lead.sop_instance_uid, left_out=account.lead.remarks())
        self._add_report(documents, account)
        for image in account.analysed:
            path = self._settings.instance_dir / paths[image.source.sop_instance_uid]
            self._add_capture(documents, account, image, path)
        for destination in self._settings.destinations:
            if isinstance(destination, Hl7Destination):
                self._add_message(documents, account, destination)
        for record in documents.records:
            log.info("document-built", study_uid=account.lead.study_uid, kind=record.kind, document_uid=record.uid,
                     bytes=record.size, reason=record.quarantined)  # fmt: skip
        return documents

    def _add_report(self, documents: Documents, account: Account) -> None:
        series_uid, uid = report_uids(account.source_uids, account.model, account.revision)

        def build() -> bytes:
            built = build_report(account, self._settings.report.sr_series_number, REPORT_CLASS)
            check_report(built, account)
            return built.content

        self._keep(documents, "sr", uid, ".dcm", build, series_uid, REPORT_CLASS.value)

    def _add_capture(self, documents: Documents, account: Account, image: AnalysedImage, path: Path) -> None:
        series_uid, uid = capture_uids(account, image)
        report = self._settings.report

        def build() -> bytes:
            at_least = max(report.capture_longest_side, LEAST_DECODED)
            picture = self._at_hand(path) or read_picture(path, self._settings.inference.max_pixels, at_least)
            built = build_capture(account, image, picture, report.capture_series_number, report.capture_longest_side)
            check_capture(built, account, image)
            return built.content

        self._keep(documents, "sc", uid, ".dcm", build, series_uid, "1.2.840.10008.5.1.4.1.1.7")

    def _add_message(self, documents: Documents, account: Account, destination: Hl7Destination) -> None:
        uid = message_id(account, destination.name)
        sent = any(record.kind == "sr" and (record.uid, name) in documents.routes
                   for record in documents.records for name in self._takers("sr"))  # fmt: skip
        uids = report_uids(account.source_uids, account.model, account.revision)

        def build() -> bytes:
            built = build_message(account, destination, ReportReference(*uids) if sent else None)
            check_message(built, account, destination.character_set)
            return built.content

        self._keep(documents, "hl7", uid, ".hl7", build, None, None, routes=[destination.name])

    def _keep(
        self,
        documents: Documents,
        kind: str,
        uid: str,
        suffix: str,
        build: Callable[[], bytes],
        series_uid: str | None,
        sop_class_uid: str | None,
        *,
        routes: list[str] | None = None,
    ) -> None:
        """Build one document and store it, or note why it must not leave."""
        stored, quarantined = _NOTHING, None
        try:
            stored = write_document(self._settings.document_dir, uid, suffix, build())
        except (OSError, MemoryError):
            raise
        except CxrnodeError as error:
            quarantined = str(error)
        except Exception as error:  # a fault of ours costs this document, not the others
            log.exception("document-not-built", kind=kind, document_uid=uid)
            quarantined = f"it could not be built ({type(error).__name__}); please report this with the log"
        documents.records.append(
            DocumentRecord(kind, uid, series_uid, sop_class_uid, stored.path, stored.sha256, stored.size, quarantined)
        )
        if quarantined is None:
            documents.routes += [(uid, name) for name in (self._takers(kind) if routes is None else routes)]

    def _takers(self, kind: str) -> list[str]:
        return [
            destination.name
            for destination in self._settings.destinations
            if isinstance(destination, DicomDestination) and kind in destination.documents
        ]


def make_account(analysis: StoredAnalysis, before: StoredAnalysis | None, settings: Settings) -> Account:
    """Return the account of an analysis, reading the headers of its images from the instance store.

    An image whose header can no longer be read is listed as not analysed.

    Raises
    ------
    DocumentRejected
        No analysed image is left to report on, the images are of two patients, or one is not what was recorded.
    """
    stored = {instance.instance_uid: instance for instance in analysis.instances}
    analysed: list[AnalysedImage] = []
    skipped: list[SkippedImage] = []
    for outcome in analysis.outcomes:
        path = settings.instance_dir / stored[outcome.instance_uid].path
        source = _source_of(outcome, path, settings.receive.default_charset)
        if isinstance(source, SourceImage):
            recorded = stored[outcome.instance_uid].patient
            patients.require_recorded(source, analysis.study_uid, outcome.instance_uid, recorded)
            findings = tuple(finding_from_json(finding.detail) for finding in outcome.findings)
            analysed.append(AnalysedImage(source, findings, _remarks_for_readers(outcome)))
        else:
            sop_class = stored[outcome.instance_uid].sop_class_uid
            skipped.append(SkippedImage(outcome.instance_uid, sop_class, source))
    if not analysed:
        msg = "none of the analysed images can be read again; restore the instance store from a backup"
        raise DocumentRejected(msg)
    patients.require_one_patient(image.source for image in analysed)
    return Account(
        model=_model(analysis),
        revision=analysis.revision,
        completed_at=analysis.completed_at,
        analysed=tuple(analysed),
        skipped=tuple(skipped),
        source_uids=tuple(sorted(stored)),
        institution=settings.node.institution,
        corrects=before is not None and _reported(before),
        predecessor=_predecessor(analysis, before),
    )


def _remarks_for_readers(outcome: OutcomeRecord) -> tuple[Remark, ...]:
    """Return what a reader must know about an image; what the documents leave out is the operator's business."""
    remarks = remarks_from_json(outcome.remarks)
    return tuple(remark for remark in remarks if remark.kind is not RemarkKind.ATTRIBUTE_LEFT_OUT)


def _source_of(outcome: OutcomeRecord, path: Path, default_charset: str) -> SourceImage | str:
    """Return an analysed image's header, or why it has no part in the documents."""
    if not outcome.findings:
        return outcome.because or "the model had nothing to say about it"
    try:
        return read_source(path, default_charset)
    except UnreadableInstance:
        return "its header can no longer be read"


def _model(analysis: StoredAnalysis) -> ModelIdentity:
    return ModelIdentity(analysis.model_name, analysis.model_version, analysis.model_digest, analysis.engine)


def _reported(analysis: StoredAnalysis) -> bool:
    return any(outcome.findings for outcome in analysis.outcomes)


def _predecessor(analysis: StoredAnalysis, before: StoredAnalysis | None) -> Predecessor | None:
    """Return the earlier report, whose UIDs follow from the earlier analysis just as ours do."""
    if before is None or not _reported(before):
        return None
    series_uid, uid = _uids(before)
    if uid == _uids(analysis)[1]:
        return None
    return Predecessor(series_uid, REPORT_CLASS.value, uid)


def _uids(analysis: StoredAnalysis) -> tuple[str, str]:
    sources = tuple(sorted(instance.instance_uid for instance in analysis.instances))
    return report_uids(sources, _model(analysis), analysis.revision)

"""The worker of the ``report`` queue: one analysis in, all its documents out, each built once and checked.

What is built is recorded at once, so that the report is on its way while captures are drawn. A document that cannot be
built, or fails its check, is quarantined with the reason; the others are still recorded and delivered. Only what is
wrong with this node (no disk, no database) fails the job.
"""

import errno
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.uid import SecondaryCaptureImageStorage
from sqlalchemy.orm import Session

from config.errors import CxrnodeError, StorageFull
from config.language.translation import speaking
from config.logs import get_logger
from config.settings import DicomDestination, Hl7Destination, Settings
from inference.findings import Finding, Remark, remarks_to_json
from inference.pixels import read_picture
from reporting.account import Account, AnalysedImage
from reporting.assemble import Subject, assemble_account, load_subject, report_account
from reporting.capture.carried import CaptureKey, Carried, carried_captures
from reporting.capture.map_capture import build_map_capture, map_uids
from reporting.capture.radiograph import Radiograph
from reporting.capture.secondary_capture import build_capture, capture_uids
from reporting.claims import ClaimedFinding, mapped_of
from reporting.conformance import check_capture, check_map_capture, check_message, check_report
from reporting.document_store import StoredFile, write_document
from reporting.hl7.message import ReportReference, build_message, message_id
from reporting.sr.report import BuiltObject, ReportClass, build_report, report_uids
from reporting.sr.report_classes import ORDER, expected_class
from tracking import conflicts
from tracking.database import Database
from tracking.documents import DocumentRecord, note_left_out, record_documents
from tracking.loop import Parts
from tracking.queue import Job
from tracking.rejections import Told, take_back, told_by
from tracking.taken_classes import taken_classes

log = get_logger(__name__)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOTHING = StoredFile("", "", 0)
_SECONDARY_CAPTURE = str(SecondaryCaptureImageStorage)
_MILLISECONDS_AN_HOUR = 3_600_000
LEAST_DECODED = 1024
"""Pixels of the longest side that are decoded for a capture, at least: more than a model wants, so that an image that
was analysed whole, and is at hand, is also what would be decoded anew."""


@dataclass
class Documents:
    """Some documents of an analysis: records, and which of them goes where."""

    records: list[DocumentRecord] = field(default_factory=list)
    routes: list[tuple[str, str]] = field(default_factory=list)
    carried: dict[str, str] = field(default_factory=dict)
    """Documents of earlier analyses that stand for this one, too: the image that each shows, by UID."""
    lead_uid: str = ""
    """Of reports: the image whose patient and study attributes all documents of the analysis carry."""
    left_out: tuple[Remark, ...] = ()
    """Which of those attributes the DICOM documents leave empty."""


class ReportHandler:
    """Turns an analysis into documents on disk and rows in the outbox. Safe to share between threads.

    ``at_hand`` gives the radiograph of a file if somebody has drawn it already; all others are drawn from their files.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        at_hand: Callable[[Path], Radiograph | None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._at_hand = at_hand
        self._told = told_by(settings)

    def run(self, job: Job) -> Parts:
        """Build, check and store the documents of ``job``'s analysis; yield what to write whenever some are ready.

        With the end of the job, documents that these replace are taken back where all of these have arrived already.
        """
        with self._database.reading() as read:
            subject = load_subject(read, job.payload["analysis_id"])
            analysis = subject.analysis
            withheld = conflicts.is_withheld(read, analysis.study_uid, analysis.revision)
            taken = taken_classes(read)
            carried = carried_captures(read, subject)
        if withheld:
            yield lambda tx: record_documents(tx, analysis.id, (), ())
            return None
        try:
            for documents in self._compose(subject, taken, carried):
                for record in documents.records:
                    log.info("document-built", study_uid=analysis.study_uid, kind=record.kind,
                             document_uid=record.uid, bytes=record.size, reason=record.quarantined)  # fmt: skip
                yield functools.partial(self._record, analysis.id, documents)
        except OSError as error:
            if error.errno in _FULL:
                msg = "no room for documents in node.data_dir; make room there"
                raise StorageFull(msg) from None
            raise
        return lambda tx: _take_back(tx, analysis.study_uid, self._told)

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Leave the job's own row to speak: an analysis without documents has no other state."""

    def _compose(self, subject: Subject, taken: Mapping[str, str | None], carried: Carried) -> Iterator[Documents]:
        """Yield documents as they are ready: the reports, the captures of each image, the messages."""
        account = assemble_account(subject, self._settings)
        paths = {stored.instance_uid: stored.path for stored in subject.analysis.instances}
        reports = self._reports(subject, account, taken)
        yield reports
        for image in account.analysed:
            path = self._settings.instance_dir / paths[image.source.sop_instance_uid]
            yield self._captures(account, image, path, carried)
        messages = Documents()
        for destination in self._settings.destinations:
            if isinstance(destination, Hl7Destination):
                self._add_message(messages, account, destination, _reference(reports, taken))
        if messages.records:
            yield messages

    def _record(self, analysis_id: int, documents: Documents, tx: Session) -> None:
        note_left_out(tx, analysis_id, documents.lead_uid, remarks_to_json(documents.left_out))
        record_documents(
            tx,
            analysis_id,
            documents.records,
            documents.routes,
            carried=documents.carried,
            give_up_ms=round(self._settings.delivery.give_up_after_hours * _MILLISECONDS_AN_HOUR),
        )

    def _reports(self, subject: Subject, account: Account, taken: Mapping[str, str | None]) -> Documents:
        """Build the report once for each class that a destination is expected to take, or in the first class."""
        documents = Documents(lead_uid=account.lead.sop_instance_uid, left_out=account.lead.remarks())
        takers: dict[ReportClass, list[str]] = {}
        for destination in self._settings.destinations:
            if isinstance(destination, DicomDestination) and "sr" in destination.documents:
                takers.setdefault(expected_class(destination, taken), []).append(destination.name)
        for report_class, names in (takers or {ORDER[0]: []}).items():
            uids = report_uids(account.source_uids, account.model, account.revision, report_class)

            def build(report_class: ReportClass = report_class) -> bytes:
                return checked_report(report_account(account, subject, report_class), self._settings, report_class)

            self._keep(documents, "sr", uids[1], ".dcm", build, uids[0], report_class.value, routes=names)
        return documents

    def _captures(self, account: Account, image: AnalysedImage, path: Path, carried: Carried) -> Documents:
        """Build an image's capture, and its score maps where a destination takes them; it is drawn once for all.

        What an earlier capture says already is not built again.
        """
        documents = Documents()
        shown = image.source.sop_instance_uid
        series_uid, uid = capture_uids(account, image)

        @functools.cache
        def radiograph() -> Radiograph:
            return self._at_hand(path) or self._draw(path)

        def build() -> bytes:
            built = build_capture(account, image, radiograph(), self._settings.report.capture_series_number)
            check_capture(built, account, image)
            return built.content

        if not self._carry(documents, "sc", carried, CaptureKey(shown)):
            self._keep(documents, "sc", uid, ".dcm", build, series_uid, _SECONDARY_CAPTURE)
        if self._takers("map"):
            for entry in mapped_of(image.findings):
                if not self._carry(documents, "map", carried, CaptureKey(shown, entry.finding.label)):
                    self._add_map(documents, account, image, entry, radiograph)
        return documents

    def _carry(self, documents: Documents, kind: str, carried: Carried, key: CaptureKey) -> bool:
        """Let an earlier capture stand for this analysis, due where it is not yet; say whether there is one."""
        uid = carried.get(key)
        if uid is None:
            return False
        documents.carried[uid] = key.instance_uid
        documents.routes += [(uid, name) for name in self._takers(kind)]
        return True

    def _add_map(
        self,
        documents: Documents,
        account: Account,
        image: AnalysedImage,
        entry: ClaimedFinding[Finding],
        radiograph: Callable[[], Radiograph],
    ) -> None:
        label = entry.finding.label
        series_uid, uid = map_uids(account, image, label)

        def build() -> bytes:
            built = build_map_capture(account, image, entry, radiograph(), self._settings.report.map_series_number)
            check_map_capture(built, account, image, label)
            return built.content

        self._keep(documents, "map", uid, ".dcm", build, series_uid, _SECONDARY_CAPTURE)

    def _draw(self, path: Path) -> Radiograph:
        longest_side = self._settings.report.capture_longest_side
        at_least = max(longest_side, LEAST_DECODED)
        return Radiograph.of(read_picture(path, self._settings.inference.max_pixels, at_least), longest_side)

    def _add_message(
        self, documents: Documents, account: Account, destination: Hl7Destination, reference: ReportReference | None
    ) -> None:
        uid = message_id(account, destination.name)

        def build() -> bytes:
            built = build_message(account, destination, reference)
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
            with speaking(self._settings.node.language):
                content = build()
            stored = write_document(self._settings.document_dir, uid, suffix, content)
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


def _take_back(tx: Session, study_uid: str, told: Told) -> None:
    take_back(tx, study_uid, told)


def _reference(documents: Documents, taken: Mapping[str, str | None]) -> ReportReference | None:
    """Return the report that a message refers to: the first that is due at a destination not known to take none."""
    reports = {record.uid: record.series_uid for record in documents.records if record.kind == "sr"}
    for uid, name in documents.routes:
        series_uid = reports.get(uid)
        if series_uid is not None and taken.get(name, uid) is not None:
            return ReportReference(series_uid, uid)
    return None


def checked_report(account: Account, settings: Settings, report_class: ReportClass) -> bytes:
    """Return a structured report that has passed our own check. Raises DocumentRejected."""
    built: BuiltObject = build_report(account, settings.report.sr_series_number, report_class)
    check_report(built, account)
    return built.content


def rebuild_report(subject: Subject, settings: Settings, report_class: ReportClass) -> DocumentRecord:
    """Build an analysis's structured report in one class, store it, and return its record, for the deliverer.

    Raises
    ------
    DocumentRejected
        It cannot be built from what is stored, or fails our own check.
    """
    account = report_account(assemble_account(subject, settings), subject, report_class)
    series_uid, uid = report_uids(account.source_uids, account.model, account.revision, report_class)
    with speaking(settings.node.language):
        content = checked_report(account, settings, report_class)
    stored = write_document(settings.document_dir, uid, ".dcm", content)
    return DocumentRecord("sr", uid, series_uid, report_class.value, stored.path, stored.sha256, stored.size, None)

"""The worker of the ``report`` queue: one analysis in, all its documents out, each built once and checked.

What is built is recorded at once, so that the report is on its way while captures are drawn. A document that cannot be
built, or fails its check, is quarantined with the reason; the others are still recorded and delivered. Only what is
wrong with this node (no disk, no database) fails the job.
"""

import errno
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from config.errors import CxrnodeError, StorageFull
from config.language.translation import speaking
from config.logs import get_logger
from config.settings import Settings
from inference.findings import remarks_to_json
from inference.pixels import read_picture
from reporting.account import Account, AnalysedImage
from reporting.assemble import Subject, assemble_account, load_subject
from reporting.capture.radiograph import Radiograph
from reporting.document_store import StoredFile, write_document
from reporting.drafts import Batch, CarriedDraft, Composition, Draft
from reporting.registry import ROOMS
from tracking.engine.database import Database
from tracking.jobs.loop import Parts
from tracking.jobs.queue import Job
from tracking.outbox.documents import DocumentRecord, holders, note_left_out, record_documents
from tracking.outbox.rejections import Told, take_back, told_by
from tracking.studies import conflicts

log = get_logger(__name__)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOTHING = StoredFile("", "", 0)
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
        if withheld:
            yield lambda tx: record_documents(tx, analysis.id, (), ())
            return None
        try:
            composition = self._composition(subject)
            for room in ROOMS:
                for batch in room.drafts(composition):
                    documents = self._build(batch, composition)
                    yield functools.partial(self._record, analysis.id, composition.account, documents)
        except OSError as error:
            if error.errno in _FULL:
                msg = "no room for documents in node.data_dir; make room there"
                raise StorageFull(msg) from None
            raise
        return functools.partial(_take_back, study_uid=analysis.study_uid, told=self._told)

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Leave the job's own row to speak: an analysis without documents has no other state."""

    def _composition(self, subject: Subject) -> Composition:
        paths = {
            stored.instance_uid: self._settings.instance_dir / stored.path for stored in subject.analysis.instances
        }

        def path_of(image: AnalysedImage) -> Path:
            return paths[image.source.sop_instance_uid]

        def radiograph_of(image: AnalysedImage) -> Radiograph:
            return self._at_hand(path_of(image)) or self._draw(path_of(image))

        account = assemble_account(subject, self._settings)
        told_before: frozenset[str] = frozenset()
        if not account.analysed:  # who has an earlier result is told that it holds no more
            with self._database.reading() as read:
                told_before = holders(read, subject.analysis.study_uid)
        return Composition(
            subject, account, self._settings, self._database, path_of, radiograph_of, holders=told_before
        )

    def _draw(self, path: Path) -> Radiograph:
        longest_side = self._settings.report.capture_longest_side
        at_least = max(longest_side, LEAST_DECODED)
        return Radiograph.of(read_picture(path, self._settings.inference.max_pixels, at_least), longest_side)

    def _build(self, batch: Batch, composition: Composition) -> Documents:
        """Build and store the documents of one batch; note in the composition which of them are due where."""
        documents = Documents()
        for draft in batch:
            if isinstance(draft, CarriedDraft):
                documents.carried[draft.uid] = draft.instance_uid
                documents.routes += [(draft.uid, name) for name in draft.routes]
                continue
            record = self._keep(draft)
            documents.records.append(record)
            log.info("document-built", study_uid=composition.account.lead.study_uid, kind=record.kind,
                     document_uid=record.uid, bytes=record.size, reason=record.quarantined)  # fmt: skip
            if record.quarantined is None:
                documents.routes += [(record.uid, name) for name in draft.routes]
                composition.sent.extend((record, name) for name in draft.routes)
        return documents

    def _keep(self, draft: Draft) -> DocumentRecord:
        """Build one document and store it, or note why it must not leave."""
        stored, quarantined = _NOTHING, None
        kind = draft.kind.name
        try:
            with speaking(self._settings.node.language):
                content = draft.build()
            stored = write_document(self._settings.document_dir, draft.uid, draft.kind.suffix, content)
        except (OSError, MemoryError):
            raise
        except CxrnodeError as error:
            quarantined = str(error)
        except Exception as error:  # a fault of ours costs this document, not the others
            log.exception("document-not-built", kind=kind, document_uid=draft.uid)
            quarantined = f"it could not be built ({type(error).__name__}); please report this with the log"
        return DocumentRecord(
            kind, draft.uid, draft.series_uid, draft.sop_class_uid, stored.path, stored.sha256, stored.size, quarantined
        )

    def _record(self, analysis_id: int, account: Account, documents: Documents, tx: Session) -> None:
        lead = account.lead
        note_left_out(tx, analysis_id, lead.sop_instance_uid, remarks_to_json(lead.remarks()))
        record_documents(
            tx,
            analysis_id,
            documents.records,
            documents.routes,
            carried=documents.carried,
            give_up_ms=round(self._settings.delivery.give_up_after_hours * _MILLISECONDS_AN_HOUR),
        )


def _take_back(tx: Session, study_uid: str, told: Told) -> None:
    take_back(tx, study_uid, told)

"""The worker of the ``deliver`` queue: one document to one destination, by the carrier of its kind."""

import threading
from dataclasses import replace

from sqlalchemy.orm import Session

from config.errors import SettingsError
from config.settings import Settings
from reporting.assemble import load_subject
from reporting.delivery.carrier import Carrier, Dispatch
from reporting.delivery.destinations import DESTINATIONS
from reporting.registry import build_note
from reporting.sr.report_classes import ReportClass
from reporting.sr.report_drafts import rebuild_report
from tracking.engine.database import Database
from tracking.jobs.loop import Commit, Parts, Work, describe
from tracking.jobs.queue import Job
from tracking.outbox.deliveries import (
    StoredDelivery,
    is_overtaken,
    load_delivery,
    record_attempt_failed,
    record_overtaken,
    record_withheld,
)
from tracking.outbox.document_kinds import KINDS
from tracking.outbox.documents import DocumentRecord
from tracking.outbox.rejections import load_note, record_built, take_back, told_by
from tracking.outbox.states import NO_DESTINATION
from tracking.studies import conflicts


class DeliverHandler:
    """Sends documents. Safe to share between threads: each keeps its own carriers."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._told = told_by(settings)
        self._dispatch = Dispatch(settings, self._rebuild)
        self._kept = threading.local()

    def run(self, job: Job) -> Work:
        """Send one document; return what to write when the destination has taken it.

        A message that was held up until a later revision's had arrived is not sent: a receiver keeps the message
        that came last, and that must not be the older result. A PACS keeps both, each with its own UID. Nothing leaves
        of a study that is in conflict, or of an analysis that was withdrawn or whose images were rejected or replaced
        since. Notes that take documents back leave whatever has become of the study.

        Raises
        ------
        PeerUnavailable, PeerBusy
            It may work later.
        RefusedByPeer, DocumentRejected, SettingsError
            It will not.
        """
        with self._database.reading() as read:
            delivery = load_delivery(read, job.payload["delivery_id"])
            kind = KINDS[delivery.document.kind]
            withheld = not kind.takes_back and conflicts.is_withheld(read, delivery.study_uid, delivery.revision)
            overtaken = kind.last_counts and is_overtaken(read, delivery)
        if withheld:
            return self._settled(delivery, lambda tx: record_withheld(tx, delivery.id))
        if overtaken:
            return lambda tx: record_overtaken(tx, delivery.id)
        if kind.takes_back and not delivery.document.path:
            return self._build_and_send(delivery)
        return self._send(delivery)

    def _build_and_send(self, delivery: StoredDelivery) -> Parts:
        """Build a note, record where it is, then send it: from its first attempt on it stays the same."""
        with self._database.reading() as read:
            note = load_note(read, delivery.document.uid)
        built = build_note(delivery.document.kind, note, self._settings)
        yield lambda tx: record_built(tx, note.uid, built.path, built.sha256, built.size)
        document = replace(delivery.document, path=built.path, sha256=built.sha256, size=built.size)
        return self._send(replace(delivery, document=document))

    def _send(self, delivery: StoredDelivery) -> Commit:
        """Send a document that is on disk; return what to write."""
        return self._settled(delivery, self._carrier(delivery.destination).send(delivery))

    def _carrier(self, name: str) -> Carrier:
        """Return this thread's carrier to a destination. Raises SettingsError where there is no such destination."""
        destination = self._settings.destination(name)
        if destination is None:
            msg = (
                f"{NO_DESTINATION} {name!r} in the settings any more; add it again, name it in formerly of the one "
                "that took its place, or leave this delivery stopped"
            )
            raise SettingsError(msg)
        carriers: dict[str, Carrier] = self._kept.__dict__.setdefault("carriers", {})
        if name not in carriers:
            carriers[name] = DESTINATIONS[type(destination)].carrier(destination, self._dispatch)
        return carriers[name]

    def _settled(self, delivery: StoredDelivery, commit: Commit) -> Commit:
        """Return what to write, with the notes that are due now: this may have been what they waited for."""

        def write(tx: Session) -> None:
            commit(tx)
            take_back(tx, delivery.study_uid, self._told)

        return write

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Write the failed attempt into the delivery's row; what may have arrived all the same is to be taken back."""
        delivery_id = job.payload["delivery_id"]
        record_attempt_failed(tx, delivery_id, describe(error), stopped=stopped)
        if stopped:
            take_back(tx, load_delivery(tx, delivery_id).study_uid, self._told)

    def _rebuild(self, delivery: StoredDelivery, sop_class_uid: str) -> DocumentRecord:
        with self._database.reading() as read:
            subject = load_subject(read, delivery.analysis_id)
        return rebuild_report(subject, self._settings, ReportClass(sop_class_uid))

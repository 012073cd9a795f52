"""The worker of the ``deliver`` queue: one document to one destination, by C-STORE or MLLP."""

import functools
import threading
from dataclasses import replace

from pydicom.uid import UID
from sqlalchemy.orm import Session

from config.errors import RefusedByPeer, SettingsError
from config.settings import DicomDestination, Hl7Destination, Settings
from dicom_node.send import StoreOutcome, Target, offer, store
from reporting.assemble import load_subject
from reporting.compose import rebuild_report
from reporting.document_store import read_document
from reporting.hl7.mllp import MllpConnection, MllpPeer
from reporting.notes.build import build_note
from reporting.sr.report import ReportClass
from reporting.sr.report_classes import ORDER, offered_classes
from tracking import conflicts
from tracking.database import Database
from tracking.deliveries import (
    StoredDelivery,
    is_overtaken,
    load_delivery,
    record_attempt_failed,
    record_delivered,
    record_not_taken,
    record_overtaken,
    record_withheld,
    replace_document,
)
from tracking.documents import DocumentRecord
from tracking.loop import Commit, Parts, Work, describe
from tracking.queue import Job
from tracking.rejections import (
    CORRECTION,
    KEY_OBJECT_SELECTION,
    NOTE,
    NOTES,
    load_note,
    record_built,
    take_back,
    told_by,
)
from tracking.taken_classes import record_taken


class DeliverHandler:
    """Sends documents. Safe to share between threads: each keeps its own connections to HL7 receivers.

    DICOM documents travel on an association each: a peer that counts its associations never finds an idle one of
    ours. An HL7 connection stays open, as its receivers expect, with one message in flight.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._told = told_by(settings)
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
            is_note = delivery.document.kind in NOTES
            withheld = not is_note and conflicts.is_withheld(read, delivery.study_uid, delivery.revision)
            overtaken = delivery.document.kind in {"hl7", CORRECTION} and is_overtaken(read, delivery)
        if withheld:
            return self._settled(delivery, lambda tx: record_withheld(tx, delivery.id))
        if overtaken:
            return lambda tx: record_overtaken(tx, delivery.id)
        if is_note and not delivery.document.path:
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
        destination = self._settings.destination(delivery.destination)
        if isinstance(destination, DicomDestination):
            return self._settled(delivery, self._store(delivery, destination))
        if isinstance(destination, Hl7Destination):
            answer = self._send_message(delivery, destination)
            return self._settled(delivery, lambda tx: record_delivered(tx, delivery.id, answer))
        msg = (
            f"there is no destination {delivery.destination!r} in the settings any more; "
            "add it again, or leave this delivery stopped"
        )
        raise SettingsError(msg)

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

    def _store(self, delivery: StoredDelivery, destination: DicomDestination) -> Commit:
        document = delivery.document
        read_document(self._settings.document_dir, document.path, document.sha256)
        target = Target(
            host=destination.host,
            port=destination.port,
            called_ae=destination.ae_title,
            calling_ae=destination.calling_ae_title or self._settings.node.ae_title,
            connect_seconds=destination.connect_seconds,
            response_seconds=destination.response_seconds,
        )
        if document.kind == "sr":
            return self._offer(delivery, destination, target)
        if document.kind == NOTE:
            return self._offer_note(delivery, target)
        (outcome,) = store([self._settings.document_dir / document.path], target)
        outcome.raise_for_status()
        return lambda tx: record_delivered(tx, delivery.id, f"C-STORE {outcome.status_text}")

    def _offer_note(self, delivery: StoredDelivery, target: Target) -> Commit:
        """Send a rejection note if the peer takes such documents; else what it takes back stays there, and is told."""
        answer = offer(self._settings.document_dir / delivery.document.path, target, [KEY_OBJECT_SELECTION])
        if answer.outcome is None:
            return functools.partial(record_not_taken, delivery_id=delivery.id, what="rejection notes")
        outcome = answer.outcome
        outcome.raise_for_status()
        return lambda tx: record_delivered(tx, delivery.id, f"C-STORE {outcome.status_text}")

    def _offer(self, delivery: StoredDelivery, destination: DicomDestination, target: Target) -> Commit:
        """Send a structured report if the peer takes its class; else let the delivery carry one that it does take.

        A report whose own class is accepted is sent, even where a better one is, too: it may have arrived before,
        without an answer. The better one is for the next report.
        """
        classes = offered_classes(destination)
        offered = [kind.value for kind in classes]
        answer = offer(self._settings.document_dir / delivery.document.path, target, offered)
        by_site = destination.report_class != "auto"
        taken = answer.accepted[0] if answer.accepted else None
        if taken is None and by_site:
            msg = (
                f"{target.name} does not accept {UID(offered[0]).name}, which report_class fixes for this destination; "
                'allow the class there, or set report_class = "auto"'
            )
            raise RefusedByPeer(msg)
        settle = self._settle(delivery, answer.outcome, taken)

        def commit(tx: Session) -> None:
            if not by_site:
                record_taken(tx, destination.name, taken, assumed=ORDER[0].value)
            settle(tx)

        return commit

    def _settle(self, delivery: StoredDelivery, outcome: StoreOutcome | None, taken: str | None) -> Commit:
        """Return what becomes of a report's delivery: sent, to be sent in another class, or not taken."""
        if outcome is not None:
            outcome.raise_for_status()
            return lambda tx: record_delivered(tx, delivery.id, f"C-STORE {outcome.status_text}")
        if taken is None:
            return lambda tx: record_not_taken(tx, delivery.id)
        record = self._rebuild(delivery, ReportClass(taken))
        return lambda tx: replace_document(tx, delivery, record)

    def _rebuild(self, delivery: StoredDelivery, report_class: ReportClass) -> DocumentRecord:
        with self._database.reading() as read:
            subject = load_subject(read, delivery.analysis_id)
        return rebuild_report(subject, self._settings, report_class)

    def _send_message(self, delivery: StoredDelivery, destination: Hl7Destination) -> str:
        document = delivery.document
        content = read_document(self._settings.document_dir, document.path, document.sha256)
        answer = self._connection(destination).send(content, document.uid)
        return f"ACK {answer.code.value}"

    def _connection(self, destination: Hl7Destination) -> MllpConnection:
        connections: dict[str, MllpConnection] = self._kept.__dict__.setdefault("connections", {})
        if destination.name not in connections:
            peer = MllpPeer(
                destination.host, destination.port, destination.connect_seconds, destination.response_seconds
            )
            connections[destination.name] = MllpConnection(peer)
        return connections[destination.name]

"""The worker of the ``deliver`` queue: one document to one destination, by C-STORE or MLLP."""

import threading

from sqlalchemy.orm import Session

from config.errors import SettingsError
from config.settings import DicomDestination, Hl7Destination, Settings
from dicom_node.send import Target, store
from reporting.documents import read_document
from reporting.mllp import MllpConnection, MllpPeer
from tracking import conflicts
from tracking.database import Database
from tracking.documents import (
    StoredDelivery,
    is_overtaken,
    load_delivery,
    record_attempt_failed,
    record_delivered,
    record_overtaken,
    record_withheld,
)
from tracking.loop import Commit, describe
from tracking.queue import Job


class DeliverHandler:
    """Sends documents. Safe to share between threads: each keeps its own connections to HL7 receivers.

    DICOM documents travel on an association each: a peer that counts its associations never finds an idle one of
    ours. An HL7 connection stays open, as its receivers expect, with one message in flight.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._kept = threading.local()

    def run(self, job: Job) -> Commit | None:
        """Send one document; return what to write when the destination has taken it.

        A message that was held up until a later revision's had arrived is not sent: a receiver keeps the message
        that came last, and that must not be the older result. A PACS keeps both, each with its own UID. Nothing leaves
        of a study that is in conflict, or of an analysis whose images were rejected or replaced since.

        Raises
        ------
        PeerUnavailable, PeerBusy
            It may work later.
        RefusedByPeer, DocumentRejected, SettingsError
            It will not.
        """
        with self._database.reading() as read:
            delivery = load_delivery(read, job.payload["delivery_id"])
            withheld = conflicts.is_withheld(read, delivery.study_uid, delivery.revision)
            overtaken = delivery.document.kind == "hl7" and is_overtaken(read, delivery)
        if withheld:
            return lambda tx: record_withheld(tx, delivery.id)
        if overtaken:
            return lambda tx: record_overtaken(tx, delivery.id)
        destination = self._settings.destination(delivery.destination)
        if isinstance(destination, DicomDestination):
            answer = self._store(delivery, destination)
        elif isinstance(destination, Hl7Destination):
            answer = self._send(delivery, destination)
        else:
            msg = (
                f"there is no destination {delivery.destination!r} in the settings any more; "
                "add it again, or leave this delivery stopped"
            )
            raise SettingsError(msg)

        def commit(tx: Session) -> None:
            record_delivered(tx, delivery.id, answer)

        return commit

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Write the failed attempt into the delivery's row."""
        record_attempt_failed(tx, job.payload["delivery_id"], describe(error), stopped=stopped)

    def _store(self, delivery: StoredDelivery, destination: DicomDestination) -> str:
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
        (outcome,) = store([self._settings.document_dir / document.path], target)
        outcome.raise_for_status()
        return f"C-STORE {outcome.status_text}"

    def _send(self, delivery: StoredDelivery, destination: Hl7Destination) -> str:
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

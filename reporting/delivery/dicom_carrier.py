"""Carrying DICOM documents to a destination by C-STORE.

They travel on an association each: a peer that counts its associations never finds an idle one of ours. How a document
is offered depends on its kind: a report in a class that the peer takes, a note only to who takes such documents.
"""

import dataclasses
import functools
from pathlib import Path

from pydicom.uid import UID
from sqlalchemy.orm import Session

from config.destinations import DicomDestination
from config.errors import RefusedByPeer
from dicom_node.storage_scu.answers import StoreOutcome
from dicom_node.storage_scu.send import Offer, echo, offer, store
from dicom_node.storage_scu.target import target_of
from reporting.delivery.carrier import LONGEST_WAIT_SECONDS, Dispatch
from reporting.document_store import read_document
from reporting.sr.report_classes import ORDER, offered_classes
from tracking.jobs.loop import Commit
from tracking.outbox.confirmations import await_confirmation
from tracking.outbox.deliveries import StoredDelivery, record_delivered, record_not_taken, replace_document
from tracking.outbox.document_kinds import REJECTION_NOTE, REPORT
from tracking.outbox.rejections import KEY_OBJECT_SELECTION
from tracking.outbox.taken_classes import record_taken

_MILLISECONDS_AN_HOUR = 3_600_000


class DicomCarrier:
    """Stores documents to one Storage SCP."""

    def __init__(self, destination: DicomDestination, dispatch: Dispatch) -> None:
        self._destination = destination
        self._rebuild = dispatch.rebuild
        self._store = dispatch.settings.document_dir
        self._give_up_ms = round(dispatch.settings.delivery.give_up_after_hours * _MILLISECONDS_AN_HOUR)
        self._target = target_of(destination, dispatch.settings.node.ae_title)
        self._offers = {REPORT.name: self._offer_report, REJECTION_NOTE.name: self._offer_note}

    def send(self, delivery: StoredDelivery) -> Commit:
        """Send a document; see :meth:`reporting.delivery.carrier.Carrier.send`."""
        read_document(self._store, delivery.document.path, delivery.document.sha256)
        return self._offers.get(delivery.document.kind, self._store_it)(delivery)

    def _path(self, delivery: StoredDelivery) -> Path:
        return self._store / delivery.document.path

    def _store_it(self, delivery: StoredDelivery) -> Commit:
        (outcome,) = store([self._path(delivery)], self._target)
        return self._stored(delivery, outcome)

    def _offer(self, delivery: StoredDelivery, sop_class_uids: list[str]) -> Offer:
        return offer(self._path(delivery), self._target, sop_class_uids)

    def _offer_note(self, delivery: StoredDelivery) -> Commit:
        """Send a rejection note if the peer takes such documents; else what it takes back stays there, and is told."""
        answer = self._offer(delivery, [KEY_OBJECT_SELECTION])
        if answer.outcome is None:
            return functools.partial(record_not_taken, delivery_id=delivery.id, what="rejection notes")
        return self._stored(delivery, answer.outcome)

    def _offer_report(self, delivery: StoredDelivery) -> Commit:
        """Send a structured report if the peer takes its class; else let the delivery carry one that it does take.

        A report whose own class is accepted is sent, even where a better one is, too: it may have arrived before,
        without an answer. The better one is for the next report.
        """
        offered = [kind.value for kind in offered_classes(self._destination)]
        answer = self._offer(delivery, offered)
        by_site = self._destination.report_class != "auto"
        taken = answer.accepted[0] if answer.accepted else None
        if taken is None and by_site:
            msg = (
                f"{self._target.name} does not accept {UID(offered[0]).name}, which report_class fixes for this "
                'destination; allow the class there, or set report_class = "auto"'
            )
            raise RefusedByPeer(msg)
        settle = self._settle_report(delivery, answer.outcome, taken)

        def commit(tx: Session) -> None:
            if not by_site:
                record_taken(tx, self._destination.name, taken, assumed=ORDER[0].value)
            settle(tx)

        return commit

    def _settle_report(self, delivery: StoredDelivery, outcome: StoreOutcome | None, taken: str | None) -> Commit:
        """Return what becomes of a report's delivery: sent, to be sent in another class, or not taken."""
        if outcome is not None:
            return self._stored(delivery, outcome)
        if taken is None:
            return functools.partial(record_not_taken, delivery_id=delivery.id)
        record = self._rebuild(delivery, taken)
        return functools.partial(replace_document, delivery=delivery, document=record)

    def _stored(self, delivery: StoredDelivery, outcome: StoreOutcome) -> Commit:
        """Return what a stored document's delivery has come to: its confirmation is awaited where the settings say so.

        Not that of a rejection note: an archive that knows them hides them from queries (IHE RAD TF-3, IOCM).
        """
        outcome.raise_for_status()
        awaits = self._destination.confirm != "stored" and delivery.document.kind != REJECTION_NOTE.name

        def commit(tx: Session) -> None:
            record_delivered(tx, delivery.id, f"C-STORE {outcome.status_text}")
            if awaits:
                await_confirmation(
                    tx, delivery.id, delay_seconds=self._destination.confirm_after_seconds, give_up_ms=self._give_up_ms
                )

        return commit


def c_echo(destination: DicomDestination, own_ae_title: str) -> str:
    """Ask a Storage SCP by C-ECHO, with the AE titles of a delivery.

    Raises PeerUnavailable, PeerBusy or RefusedByPeer.
    """
    target = target_of(destination, own_ae_title)
    echo(dataclasses.replace(
        target,
        connect_seconds=min(target.connect_seconds, LONGEST_WAIT_SECONDS),
        response_seconds=min(target.response_seconds, LONGEST_WAIT_SECONDS),
    ))  # fmt: skip
    return f"{destination.ae_title} at {destination.host}:{destination.port} answers C-ECHO"

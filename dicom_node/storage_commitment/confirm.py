"""The worker of the ``confirm`` queue: whether a destination has what was delivered to it.

::

    delivered ─→ N-ACTION ─→ answer here, or on an association of the peer's own ─→ confirmed, or sent again
                    └─→ refused, or no answer in time ─→ C-FIND at the instance level ─→ confirmed, or sent again
"""

import dataclasses
import functools
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.uid import generate_uid
from sqlalchemy.orm import Session

from config.destinations import DicomDestination
from config.errors import PeerUnavailable, RefusedByPeer, ServiceUnavailable, SettingsError
from config.logs import get_logger
from config.settings import Settings
from dicom_node.storage_commitment.instance_query import has_instance
from dicom_node.storage_commitment.request import request_commitment
from dicom_node.storage_commitment.resends import resends_of
from dicom_node.storage_scu.target import Target, target_of
from tracking.engine.database import Database
from tracking.jobs.loop import Commit, Parts, Work, describe
from tracking.jobs.queue import Job
from tracking.outbox import confirmations
from tracking.outbox.confirmations import Awaited, CommitmentAnswer, Confirmation
from tracking.outbox.states import NO_DESTINATION

_log = get_logger(__name__)
_NOT_FOUND = "the destination took the document, and does not find it when asked"


@contextmanager
def _asking(destination: DicomDestination) -> Iterator[None]:
    """Keep a peer that does not answer questions, where they go elsewhere than documents, from holding those up."""
    try:
        yield
    except PeerUnavailable as error:
        if destination.confirm_port is None and destination.confirm_ae_title is None:
            raise
        raise ServiceUnavailable(str(error)) from error


class ConfirmHandler:
    """Asks destinations whether they have what was delivered to them. Safe to share between threads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def run(self, job: Job) -> Work:
        """Ask about one delivery; return what to write.

        Raises
        ------
        PeerUnavailable, ServiceUnavailable, PeerBusy
            It may work later.
        RefusedByPeer, SettingsError
            It will not.
        """
        with self._database.reading() as read:
            awaited = confirmations.load_awaited(read, job.payload["delivery_id"])
        if awaited is None:
            return None
        destination = self._settings.destination(awaited.destination)
        if destination is None:
            msg = (
                f"{NO_DESTINATION} {awaited.destination!r} in the settings any more; add it again, name it in "
                "formerly of the one that took its place, or leave this delivery stopped"
            )
            raise SettingsError(msg)
        if not isinstance(destination, DicomDestination) or destination.confirm == "stored":
            return functools.partial(confirmations.record_enough, delivery_id=awaited.delivery_id)
        if destination.confirm == "query":
            return self._query(awaited, destination)
        return self._ask_for_commitment(awaited, destination)

    def failed(self, tx: Session, job: Job, error: Exception, stopped: bool) -> None:
        """Write the failed question into the delivery's row; one that nobody repeats stops the delivery."""
        delivery_id, words = job.payload["delivery_id"], describe(error)
        if stopped:
            confirmations.record_stopped(tx, delivery_id, f"not confirmed: {words}")
        else:
            confirmations.record_not_asked(tx, delivery_id, words)

    def _ask_for_commitment(self, awaited: Awaited, destination: DicomDestination) -> Parts:
        """Ask for storage commitment; where that came to nothing in time, ask by C-FIND.

        A request that is younger than its time-out was sent by a process that died, or a person has this one done
        early: it is made once more, in a transaction of its own.
        """
        asked_ms_ago = awaited.asked_ms_ago
        if asked_ms_ago is not None and asked_ms_ago >= 1000 * destination.commitment_timeout_seconds:
            return self._query(awaited, destination)
        transaction_uid = str(generate_uid(prefix=None))
        yield functools.partial(
            confirmations.record_request, delivery_id=awaited.delivery_id, transaction_uid=transaction_uid
        )
        try:
            with _asking(destination):
                answer = request_commitment(
                    self._target(destination), awaited.sop_class_uid, awaited.instance_uid, transaction_uid,
                    destination.commitment_wait_seconds,
                )  # fmt: skip
        except RefusedByPeer as error:
            _log.warning("commitment refused", destination=destination.name, error=str(error),
                         cure='set confirm = "query" or "stored" for this destination')  # fmt: skip
            return self._query(awaited, destination)
        if answer is None:
            return functools.partial(
                confirmations.wait_for_answer, delivery_id=awaited.delivery_id,
                seconds=destination.commitment_timeout_seconds,
            )  # fmt: skip
        return functools.partial(self._take, answer=answer, destination=destination)

    def _take(self, tx: Session, answer: CommitmentAnswer, destination: DicomDestination) -> None:
        confirmations.take_answer(tx, answer, {destination.name: resends_of(destination, self._settings)})

    def _query(self, awaited: Awaited, destination: DicomDestination) -> Commit:
        """Ask by C-FIND."""
        with _asking(destination):
            found = has_instance(
                self._target(destination), awaited.study_uid, awaited.series_uid, awaited.instance_uid
            )  # fmt: skip
        resends = resends_of(destination, self._settings)

        def commit(tx: Session) -> None:
            confirmations.give_up_waiting(tx, awaited.delivery_id)
            if found:
                confirmations.record_confirmed(tx, awaited.delivery_id, Confirmation.QUERY)
            else:
                confirmations.record_not_there(tx, awaited.delivery_id, _NOT_FOUND, resends)

        return commit

    def _target(self, destination: DicomDestination) -> Target:
        stores = target_of(destination, self._settings.node.ae_title)
        return dataclasses.replace(
            stores,
            port=destination.confirm_port or stores.port,
            called_ae=destination.confirm_ae_title or stores.called_ae,
        )

"""The storage commitment request: N-ACTION, and the answer where it comes on the same association (PS3.4 J.3.2)."""

import threading

from pydicom import Dataset
from pynetdicom import evt

from config.logs import get_logger
from dicom_node.format.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from dicom_node.storage_commitment.peer import associate, check_status
from dicom_node.storage_commitment.report import UnreadableReport, read_report
from dicom_node.storage_scu.target import Target
from tracking.outbox.confirmations import CommitmentAnswer

_log = get_logger(__name__)
_REQUEST = 1
"""Action Type ID: request storage commitment (PS3.4 Table J.3-1)."""
_INVALID_ARGUMENT = 0x0115
_LOOK_SECONDS = 0.1


def request_commitment(
    target: Target, sop_class_uid: str, instance_uid: str, transaction_uid: str, wait_seconds: float
) -> CommitmentAnswer | None:
    """Ask a peer to commit itself to keep one instance.

    Returns
    -------
    CommitmentAnswer or None
        What it answered on this association within ``wait_seconds``; None where it may answer on another.

    Raises
    ------
    PeerUnavailable, PeerBusy
        It may work later.
    RefusedByPeer
        It will not: the peer does not accept the SOP class, or refuses the request.
    """
    answered = threading.Event()
    answers: list[CommitmentAnswer] = []

    def take(event: evt.Event) -> tuple[int, None]:
        try:
            answer = read_report(event.event_type or 0, event.event_information)
        except UnreadableReport as error:
            _log.warning("commitment answer refused", peer=target.name, reason=str(error), status="0115")
            return _INVALID_ARGUMENT, None
        if answer.transaction_uid != transaction_uid:
            _log.warning("commitment answer refused", peer=target.name, reason="unknown Transaction UID", status="0115")
            return _INVALID_ARGUMENT, None
        answers.append(answer)
        answered.set()
        return 0, None

    with associate(target, STORAGE_COMMITMENT, [(evt.EVT_N_EVENT_REPORT, take)]) as association:
        status, _ = association.send_n_action(
            _request(sop_class_uid, instance_uid, transaction_uid), _REQUEST, STORAGE_COMMITMENT,
            STORAGE_COMMITMENT_INSTANCE,
        )  # fmt: skip
        check_status(target, "N-ACTION", status)
        waited = 0.0
        while waited < wait_seconds and association.is_established and not answered.wait(_LOOK_SECONDS):
            waited += _LOOK_SECONDS
    return answers[0] if answers else None


def _request(sop_class_uid: str, instance_uid: str, transaction_uid: str) -> Dataset:
    """Return the Action Information (PS3.4 Table J.3-1)."""
    referenced = Dataset()
    referenced.ReferencedSOPClassUID = sop_class_uid
    referenced.ReferencedSOPInstanceUID = instance_uid
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = [referenced]
    return request

"""Carrying HL7 messages to a receiver by MLLP."""

import functools

from config.certificates import client_tls
from config.destinations import Hl7Destination
from reporting.delivery.carrier import LONGEST_WAIT_SECONDS, Dispatch
from reporting.document_store import read_document
from reporting.hl7.mllp import MllpConnection, MllpPeer, probe
from tracking.jobs.loop import Commit
from tracking.outbox.deliveries import StoredDelivery, record_delivered


class Hl7Carrier:
    """Keeps a connection to one receiver open, as receivers expect, with one message in flight."""

    def __init__(self, destination: Hl7Destination, dispatch: Dispatch) -> None:
        self._store = dispatch.settings.document_dir
        self._connection = MllpConnection(
            MllpPeer(
                destination.host,
                destination.port,
                destination.connect_seconds,
                destination.response_seconds,
                client_tls(destination),
            )
        )

    def send(self, delivery: StoredDelivery) -> Commit:
        """Send a message; see :meth:`reporting.delivery.carrier.Carrier.send`."""
        document = delivery.document
        content = read_document(self._store, document.path, document.sha256)
        answer = self._connection.send(content, document.uid)
        return functools.partial(record_delivered, delivery_id=delivery.id, detail=f"ACK {answer.code.value}")


def mllp_echo(destination: Hl7Destination, _own_ae_title: str) -> str:
    """Connect to a receiver, without sending a message. Raises PeerUnavailable."""
    seconds = min(destination.connect_seconds, LONGEST_WAIT_SECONDS)
    probe(destination.host, destination.port, seconds, client_tls(destination))
    return f"MLLP port {destination.host}:{destination.port} accepts connections"

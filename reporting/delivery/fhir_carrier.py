"""Carrying Bundles to a FHIR server, as transactions over HTTP."""

import functools

from config.destinations import FhirDestination
from reporting.delivery.carrier import LONGEST_WAIT_SECONDS, Dispatch
from reporting.document_store import read_document
from reporting.fhir.client import FhirClient
from tracking.jobs.loop import Commit
from tracking.outbox.deliveries import StoredDelivery, record_delivered


class FhirCarrier:
    """Keeps a connection to one server open, with one transaction in flight."""

    def __init__(self, destination: FhirDestination, dispatch: Dispatch) -> None:
        self._store = dispatch.settings.document_dir
        self._client = FhirClient(destination)

    def send(self, delivery: StoredDelivery) -> Commit:
        """Send a Bundle; see :meth:`reporting.delivery.carrier.Carrier.send`."""
        document = delivery.document
        answer = self._client.send(read_document(self._store, document.path, document.sha256))
        return functools.partial(record_delivered, delivery_id=delivery.id, detail=answer)


def metadata_echo(destination: FhirDestination, _own_ae_title: str) -> str:
    """Ask a server for its CapabilityStatement. Raises PeerUnavailable, PeerBusy or RefusedByPeer."""
    waiting = {
        "connect_seconds": min(destination.connect_seconds, LONGEST_WAIT_SECONDS),
        "response_seconds": min(destination.response_seconds, LONGEST_WAIT_SECONDS),
    }
    with FhirClient(destination.model_copy(update=waiting)) as client:
        version = client.version()
    return f"{destination.host}:{destination.port} answers /metadata: FHIR {version}"

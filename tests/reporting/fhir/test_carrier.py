"""A FHIR server among the destinations: asked whether it is there."""

import pytest

from config.errors import PeerUnavailable, RefusedByPeer
from reporting.delivery.destination_echo import ask
from tests.fhir_server import FhirServer
from tests.reporting.fhir.conftest import destination


def test_a_server_that_is_there_says_which_fhir_it_speaks(fhir_server: FhirServer) -> None:
    port = fhir_server.server_address[1]
    assert ask(destination(url=fhir_server.url), "CXRNODE").words == f"127.0.0.1:{port} answers /metadata: FHIR 4.0.1"


def test_a_server_of_another_release_or_none_is_said_so(fhir_server: FhirServer) -> None:
    fhir_server.version = "3.0.2"
    with pytest.raises(RefusedByPeer, match="R4"):
        ask(destination(url=fhir_server.url), "CXRNODE")
    with pytest.raises(PeerUnavailable):
        ask(destination(url="http://127.0.0.1:1/fhir"), "CXRNODE")

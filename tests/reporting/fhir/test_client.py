"""The way to a server: what is sent, how we log in, and what failures of the way are called."""

import json
import socket
import ssl
import threading
from pathlib import Path

import httpx2
import pytest

from config.errors import PeerBusy, PeerUnavailable, RefusedByPeer, SettingsError
from reporting.fhir.authorization import ClientCredentials
from reporting.fhir.bundle import build_bundle
from reporting.fhir.client import FhirClient
from tests.accounts import account
from tests.fhir_server import Answer, FhirServer
from tests.reporting.fhir.conftest import destination


@pytest.fixture(scope="module")
def bundle() -> bytes:
    return build_bundle(account(), destination()).content


def at(server: FhirServer, **changes: object) -> FhirClient:
    return FhirClient(destination(url=server.url, **changes))


def test_a_result_that_comes_twice_doubles_nothing(fhir_server: FhirServer, bundle: bytes) -> None:
    with at(fhir_server) as client:
        assert client.send(bundle) == "HTTP 200, 7 created, 0 updated or there"
        assert client.send(bundle) == "HTTP 200, 0 created, 7 updated or there"
    kinds = ("DiagnosticReport", "Observation", "Provenance")
    assert [len(fhir_server.store.current(kind)) for kind in kinds] == [1, 3, 1]
    (report,) = fhir_server.store.current("DiagnosticReport")
    known = {f"Observation/{item['id']}" for item in fhir_server.store.current("Observation")}
    assert {reference["reference"] for reference in report["result"]} == known
    assert fhir_server.headers[0]["Content-Type"] == "application/fhir+json"
    assert "Authorization" not in fhir_server.headers[0]


def test_a_refusal_is_told_with_its_code(fhir_server: FhirServer, bundle: bytes) -> None:
    doubled = [{"resourceType": "Device", "identifier": json.loads(bundle)["entry"][0]["resource"]["identifier"]}] * 2
    for number, resource in enumerate(doubled, 900):
        fhir_server.store.versions["Device", str(number)] = [{**resource, "id": str(number)}]
    with (
        at(fhir_server) as client,
        pytest.raises(RefusedByPeer, match=r"412 \(multiple-matches at Bundle.entry"),
    ):
        client.send(bundle)
    assert fhir_server.store.current("Observation") == []


def test_a_busy_server_says_how_long(fhir_server: FhirServer, bundle: bytes) -> None:
    fhir_server.answers.append(Answer(429, headers={"Retry-After": "33"}))
    with at(fhir_server) as client, pytest.raises(PeerBusy) as caught:
        client.send(bundle)
    assert caught.value.after_seconds == 33


def test_a_web_page_is_no_answer(fhir_server: FhirServer, bundle: bytes) -> None:
    fhir_server.answers.append(Answer(200, b"<html>"))
    with at(fhir_server) as client, pytest.raises(PeerUnavailable, match="base"):
        client.send(bundle)


def test_a_redirect_is_not_followed_with_a_patient(fhir_server: FhirServer, bundle: bytes) -> None:
    fhir_server.answers.append(Answer(307, headers={"Location": "http://127.0.0.1:9/fhir"}))
    with at(fhir_server) as client, pytest.raises(RefusedByPeer, match="url"):
        client.send(bundle)


def test_no_answer_and_no_connection_are_the_peers_absence(bundle: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = FhirClient(destination(url=url, response_seconds=0.05))
        with client, pytest.raises(PeerUnavailable, match="in time"):
            client.send(bundle)
    with FhirClient(destination(url=url)) as client, pytest.raises(PeerUnavailable, match="no connection"):
        client.send(bundle)


def test_a_certificate_that_nobody_vouches_for_is_named(
    tmp_path: Path, bundle: bytes, tls_files: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls_files)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer, pytest.raises(OSError, match=r"."):
            context.wrap_socket(peer, server_side=True)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    with listener, FhirClient(destination(url=url)) as client, pytest.raises(PeerUnavailable, match="ca_file"):
        client.send(bundle)
    thread.join()


def test_a_token_file_is_read_for_each_transaction(fhir_server: FhirServer, bundle: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    fhir_server.tokens = ["first"]
    with at(fhir_server, token_file=file) as client:
        client.send(bundle)
        fhir_server.tokens = ["second"]
        with pytest.raises(PeerUnavailable, match=r"401 \(login.*token_file"):
            client.send(bundle)
        file.write_text("second")
        client.send(bundle)
        file.write_text("")
        with pytest.raises(PeerUnavailable, match="token_file: "):
            client.send(bundle)
        file.unlink()
        with pytest.raises(PeerUnavailable, match="token_file: "):
            client.send(bundle)


def logging_in(server: FhirServer, tmp_path: Path) -> dict[str, object]:
    secret = tmp_path / "secret"
    secret.write_text("s:ecret\n")
    return {"token_url": server.token_url, "client_id": "node", "client_secret_file": secret, "scope": "system/*.write"}


def test_a_token_is_fetched_once_and_kept(fhir_server: FhirServer, bundle: bytes, tmp_path: Path) -> None:
    with at(fhir_server, **logging_in(fhir_server, tmp_path)) as client:
        client.send(bundle)
        client.send(bundle)
    ((headers, form),) = fhir_server.token_requests
    assert form == "grant_type=client_credentials&scope=system/*.write"
    assert headers["Authorization"] == "Basic bm9kZTpzJTNBZWNyZXQ="  # node:s%3Aecret
    assert fhir_server.headers[0]["Authorization"] == "Bearer token-1"


def test_a_token_that_ended_early_is_fetched_anew(fhir_server: FhirServer, bundle: bytes, tmp_path: Path) -> None:
    with at(fhir_server, **logging_in(fhir_server, tmp_path)) as client:
        client.send(bundle)
        fhir_server.tokens = ["none that we have"]
        client.send(bundle)
    assert len(fhir_server.token_requests) == 2


def test_a_token_is_renewed_before_it_ends(fhir_server: FhirServer, tmp_path: Path) -> None:
    now = [1000.0]
    settings = destination(url=fhir_server.url, **logging_in(fhir_server, tmp_path))
    assert settings.client_secret_file is not None
    login = ClientCredentials(settings, settings.client_secret_file, clock=lambda: now[0])
    with httpx2.Client(trust_env=False) as client:
        assert login.token(client) == "token-1"
        now[0] += 3500
        assert login.token(client) == "token-1"
        now[0] += 80
        assert login.token(client) == "token-2"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, b'{"error":"invalid_client"}'), Answer(503), Answer(200, b"<html>"), Answer(200, b"{}"),
        Answer(200, b'{"access_token":"x","token_type":"mac"}'),
        Answer(200, b'{"access_token":1,"token_type":"bearer"}'),
    ],
)  # fmt: skip
def test_no_token_keeps_all_waiting(fhir_server: FhirServer, bundle: bytes, tmp_path: Path, answer: Answer) -> None:
    fhir_server.token_answers.append(answer)
    with at(fhir_server, **logging_in(fhir_server, tmp_path)) as client, pytest.raises(PeerUnavailable, match="token"):
        client.send(bundle)
    assert fhir_server.received == []


def test_a_server_says_which_fhir_it_speaks(fhir_server: FhirServer) -> None:
    with at(fhir_server) as client:
        assert client.version() == "4.0.1"
        fhir_server.version = "5.0.0"
        with pytest.raises(RefusedByPeer, match="R4"):
            client.version()
    with FhirClient(destination(url=fhir_server.url + "/elsewhere")) as client, pytest.raises(RefusedByPeer):
        client.version()


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(SettingsError, match="ca_file"):
        FhirClient(destination(ca_file=file))

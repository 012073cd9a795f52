"""The receiver over TLS: who is let in, what a failed handshake leaves, and that it costs no more than a plain one."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from config.certificates import ClientTls, client_context
from config.errors import PeerUnavailable, RefusedByPeer
from dicom_node.storage_scu.send import echo, store
from dicom_node.storage_scu.target import Target
from dicom_node.upper_layer import association, pdus
from tests.authority import Authority, Pair
from tests.dicom_node.requests import request

Node = Any
MakeDataset = Callable[..., Dataset]
SaveFile = Callable[..., Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Pair:
    return authority.issue("node", "127.0.0.1")


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Pair:
    return authority.issue("modality", "modality.example.org")


@pytest.fixture
def tls_node(start_node: Callable[..., Node], authority: Authority, ours: Pair) -> Callable[..., Node]:
    """Start receivers that speak TLS; keywords are settings of ``node.tls``, or as for ``start_node``."""

    def start(tls: dict[str, Any] | None = None, **settings: Any) -> Node:
        asked = ours.options() | {"client_ca": authority.certificate, "port": 0} | (tls or {})
        return start_node(tls=asked, **settings)

    return start


def over_tls(node: Node, authority: Authority, shown: Pair | None) -> Target:
    tls = ClientTls("127.0.0.1", authority.certificate)
    if shown is not None:
        tls = replace(tls, certificate=shown.certificate, key=shown.key)
    return replace(node.target, port=node.receiver.tls_port, tls=tls)


@contextlib.contextmanager
def shaken_hands(node: Node, authority: Authority, shown: Pair) -> Iterator[ssl.SSLSocket]:
    context = client_context(ClientTls("127.0.0.1", authority.certificate, shown.certificate, shown.key))
    with (
        socket.create_connection(("127.0.0.1", node.receiver.tls_port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        yield secured


def test_images_come_over_tls_and_in_the_clear(
    tls_node: Callable[..., Node], authority: Authority, theirs: Pair, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = tls_node()
    large = make_dataset(Rows=1024, Columns=1024, PixelData=bytes(range(256)) * 8192)
    paths = [save_file(make_dataset()), save_file(large)]
    assert all(outcome.stored for outcome in store(paths, over_tls(node, authority, theirs)))
    assert all(outcome.stored for outcome in store([save_file(make_dataset())], node.target))
    assert len(node.instances()) == 3


def test_tls_may_be_all_that_is_spoken(tls_node: Callable[..., Node], authority: Authority, theirs: Pair) -> None:
    node = tls_node({"port": None})
    assert node.receiver.tls_port == node.receiver.port
    assert echo(over_tls(node, authority, theirs)).status == 0
    with pytest.raises(PeerUnavailable):
        echo(node.target)
    [refusal] = node.refusals()
    assert refusal.refusal.reason == "what came over a TLS port is no TLS"


@pytest.mark.parametrize(
    ("shown", "reason", "setting"),
    [
        ("none", "the sender shows no certificate", "node.tls.require_client_certificate"),
        ("stranger", "the sender's certificate is not accepted: unable to get local issuer", "node.tls.client_ca"),
        ("expired", "the sender's certificate is not accepted: certificate has expired", "node.tls.client_ca"),
    ],
)
@pytest.mark.fault(
    "a sender has no certificate, another authority's, or one that has expired",
    promise="refused, and counted with the setting that would change it",
    area="tls",
)
def test_who_has_no_certificate_of_ours_is_refused_and_counted(
    tls_node: Callable[..., Node], authority: Authority, tmp_path: Path, shown: str, reason: str, setting: str
) -> None:
    pairs = {
        "none": None,
        "stranger": Authority(tmp_path / "other", "Other authority").issue("modality"),
        "expired": authority.issue("modality", days=-1, file="expired"),
    }
    node = tls_node()
    for _ in range(3):
        with pytest.raises(PeerUnavailable):
            echo(over_tls(node, authority, pairs[shown]))
    node.receiver.stop(drain_seconds=1)
    [counted] = node.refusals()
    assert counted.refusal.reason.startswith(reason)
    assert (counted.count, counted.refusal.address) == (3, "127.0.0.1")
    assert setting in counted.refusal.cure
    lines = node.audit()
    assert {line.type for line in lines} == {"association-rejected"}
    assert len(lines) <= 2


def test_who_needs_no_certificate_is_let_in_without(tls_node: Callable[..., Node], authority: Authority) -> None:
    node = tls_node({"require_client_certificate": False})
    assert echo(over_tls(node, authority, None)).status == 0


@pytest.mark.parametrize("name", ["modality.example.org", "CN=modality,O=Test", "Modality"])
@pytest.mark.fault(
    "somebody else uses the AE title of a peer",
    promise="refused, where the peer has `certificate_names`",
    area="tls",
)
def test_a_peer_is_bound_to_a_name_of_its_certificate(
    tls_node: Callable[..., Node], authority: Authority, theirs: Pair, name: str
) -> None:
    peers = [{"name": "modality", "ae_title": "MODALITY", "certificate_names": ["another", name]}]
    node = tls_node(peers=peers, known_peers_only=True)
    assert echo(over_tls(node, authority, theirs)).status == 0
    for target in (over_tls(node, authority, authority.issue("other")), node.target):
        with pytest.raises(RefusedByPeer, match="1,1,3"):
            echo(target)
    node.receiver.stop(drain_seconds=1)
    [counted] = node.refusals()
    assert (counted.refusal.reason, counted.count) == ("certificate does not belong to the calling AE title", 2)
    assert "certificate_names" in counted.refusal.cure


@pytest.mark.fault(
    "a certificate is renewed while services run",
    promise="the next connection gets it, open ones go on",
    area="tls",
)
def test_a_new_certificate_counts_from_the_next_connection_on(
    tls_node: Callable[..., Node], authority: Authority, theirs: Pair
) -> None:
    first = authority.issue("node", "127.0.0.1", file="replaced")
    node = tls_node(first.options())
    second = Authority(first.certificate.parent / "next").issue("node", "127.0.0.1")
    with shaken_hands(node, authority, theirs) as before:
        for old, new in ((first.certificate, second.certificate), (first.key, second.key)):
            new.replace(old)
        with pytest.raises(PeerUnavailable, match="its certificate is not accepted"):
            echo(over_tls(node, authority, theirs))
        before.sendall(request())
        assert before.recv(1)[0] == pdus.ASSOCIATE_AC


@pytest.mark.fault(
    "80 connections begin no handshake",
    promise="a sender with a certificate gets in",
    area="tls",
)
def test_silent_handshakes_lock_nobody_out(
    tls_node: Callable[..., Node], authority: Authority, theirs: Pair, make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    node = tls_node(max_associations=4)
    with ExitStack() as silent:
        for _ in range(80):
            where = ("127.0.0.1", node.receiver.tls_port)
            silent.enter_context(socket.create_connection(where, timeout=20, source_address=("127.0.0.9", 0)))
        assert store([save_file(make_dataset())], over_tls(node, authority, theirs))[0].stored


@pytest.mark.fault(
    "a caller begins no handshake",
    promise="its connection is ended after 10 s",
    area="tls",
)
def test_who_begins_no_handshake_is_not_waited_for(
    tls_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(association, "_HANDSHAKE_SECONDS", 0.3)
    node = tls_node()
    begun = b"\x16\x03\x01\x02\x00\x01"  # the first bytes of a handshake
    for said in (b"", begun):
        with socket.create_connection(("127.0.0.1", node.receiver.tls_port), timeout=20) as connection:
            connection.sendall(said)
            assert connection.recv(1) == b""
    node.receiver.stop(drain_seconds=1)
    [counted] = node.refusals()
    assert (counted.refusal.reason, counted.count) == ("no association request came in time", 2)


def test_a_connection_without_a_word_leaves_no_trace(tls_node: Callable[..., Node]) -> None:
    node = tls_node()
    socket.create_connection(("127.0.0.1", node.receiver.tls_port), timeout=20).close()
    deadline = time.monotonic() + 20
    while node.receiver._slots.connections() and time.monotonic() < deadline:
        time.sleep(0.01)
    node.receiver.stop(drain_seconds=1)
    assert node._refusals() == []


@pytest.mark.fault(
    "a handshake is broken off",
    promise="counted among the refusals",
    area="tls",
)
def test_a_handshake_that_is_broken_off_is_counted(tls_node: Callable[..., Node]) -> None:
    node = tls_node()
    with socket.create_connection(("127.0.0.1", node.receiver.tls_port), timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
    [counted] = node.refusals()
    assert counted.refusal.reason == "the sender broke off the TLS handshake"


@pytest.mark.fault(
    "a PDU over TLS claims 4 GB",
    promise="aborted, at no cost of memory",
    area="tls",
)
def test_four_gigabytes_over_tls_are_aborted(tls_node: Callable[..., Node], authority: Authority, theirs: Pair) -> None:
    node = tls_node()
    with shaken_hands(node, authority, theirs) as connection:
        connection.sendall(b"\x01\x00\xff\xff\xff\xff")
        assert connection.recv(1)[0] == pdus.ABORT


def test_a_stop_ends_associations_over_tls_with_an_encrypted_abort(
    tls_node: Callable[..., Node], authority: Authority, theirs: Pair
) -> None:
    node = tls_node()
    with shaken_hands(node, authority, theirs) as connection:
        connection.sendall(request())
        answer = connection.recv(65536)
        assert answer[0] == pdus.ASSOCIATE_AC
        time.sleep(0.1)  # until the receiver waits for the next PDU
        node.receiver.stop(drain_seconds=1)
        assert connection.recv(1)[0] == pdus.ABORT


@pytest.mark.parametrize(("version", "ends"), [("-tls1_1", "refused"), ("-tls1_2", "spoken"), ("-tls1_3", "spoken")])
def test_versions_of_tls(
    tls_node: Callable[..., Node], authority: Authority, theirs: Pair, version: str, ends: str
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    node = tls_node()
    command = [
        openssl, "s_client", "-connect", f"127.0.0.1:{node.receiver.tls_port}", version, "-cipher", "ALL:@SECLEVEL=0",
        "-CAfile", authority.certificate, "-cert", theirs.certificate, "-key", theirs.key, "-verify_return_error",
    ]  # fmt: skip
    result = subprocess.run(command, input=b"", capture_output=True, timeout=60, check=False)
    output = result.stdout + result.stderr
    if ends == "spoken":
        assert b"Verify return code: 0 (ok)" in output
        return
    assert b"alert protocol version" in output
    [counted] = node.refusals()
    assert counted.refusal.reason == "the sender's TLS is older than 1.2"


def test_a_suite_that_bcp_195_does_not_have_is_refused(
    tls_node: Callable[..., Node], authority: Authority, theirs: Pair
) -> None:
    node = tls_node()
    context = client_context(ClientTls("127.0.0.1", authority.certificate, theirs.certificate, theirs.key))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    with (
        socket.create_connection(("127.0.0.1", node.receiver.tls_port), timeout=20) as plain,
        pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")
    [counted] = node.refusals()
    assert counted.refusal.reason == "the sender has no cipher suite of BCP 195"

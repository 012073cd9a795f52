"""PDUs and fragments, from peers that are not to be believed."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.upper_layer import pdus
from dicom_node.upper_layer.pdus import PduReader, ProtocolError
from dicom_node.upper_layer.transport import ConnectionLost, PlainTransport, TimedOut

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_pdus_are_read_one_after_another_however_they_are_cut(pair: Pair) -> None:
    ours, theirs = pair
    stream = b"".join(pdus.command_pdu(1, bytes([n]) * 3000 * (n + 1)) for n in range(12))

    def send() -> None:
        for start in range(0, len(stream), 977):
            theirs.sendall(stream[start : start + 977])

    sender = threading.Thread(target=send)
    sender.start()
    reader = PduReader(PlainTransport(ours, 5), 40000)
    for n in range(12):
        [fragment] = pdus.fragments(reader.read(5).body)
        assert bytes(fragment.data) == bytes([n]) * 3000 * (n + 1)
        assert (fragment.context_id, fragment.is_command, fragment.is_last) == (1, True, True)
    sender.join()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"\x04\x00\xff\xff\xff\xff", 6),
        (b"\x01\x00\xff\xff\xff\xff", 6),
        (b"\x04\x00\x00\x01\x00\x00", 6),
        (b"\x09\x00\x00\x00\x00\x04", 1),
        (b"\x00\x00\x00\x00\x00\x04", 1),
    ],
)
def test_a_claim_beyond_the_bound_is_refused_before_it_is_read(pair: Pair, header: bytes, reason: int) -> None:
    ours, theirs = pair
    theirs.sendall(header)
    with pytest.raises(ProtocolError) as caught:
        PduReader(PlainTransport(ours, 5), 16384).read(5)
    assert caught.value.reason == reason


def test_a_peer_slightly_beyond_the_agreed_length_is_forgiven(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(pdus.command_pdu(1, bytes(16384 + 12)))
    assert len(PduReader(PlainTransport(ours, 5), 16384).read(5).body) == 16384 + 18


@pytest.mark.fault(
    "a PDU comes one byte at a time",
    promise="timed out",
    area="stranger",
)
def test_silence_and_dripping_time_out(pair: Pair) -> None:
    ours, theirs = pair
    with pytest.raises(TimedOut):
        PduReader(PlainTransport(ours, 5), 4096).read(0.05)
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.02):
            theirs.sendall(b"\x04" if not stop.is_set() else b"")

    dripper = threading.Thread(target=drip)
    dripper.start()
    start = time.monotonic()
    with pytest.raises((TimedOut, ProtocolError)):
        PduReader(PlainTransport(ours, 5), 4096).read(0.1)
    assert time.monotonic() - start < 2
    stop.set()
    dripper.join()


def test_an_early_end_is_a_lost_connection(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(b"\x04\x00\x00")
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionLost):
        PduReader(PlainTransport(ours, 5), 4096).read(1)


@given(st.binary(max_size=300))
def test_any_pdu_body_is_cut_into_fragments_or_refused(body: bytes) -> None:
    try:
        for fragment in pdus.fragments(memoryview(body)):
            assert len(fragment.data) <= len(body)
    except ProtocolError:
        pass


@pytest.mark.parametrize("limit", [0, 1, 7, 8, 20, 100, 131072])
@pytest.mark.fault(
    "a peer takes only short PDUs",
    promise="every response is cut to its maximum length",
    area="peer",
)
def test_a_command_is_cut_to_the_longest_pdu_that_the_peer_takes(limit: int) -> None:
    command = bytes(range(90))
    encoded = memoryview(pdus.command_pdus(5, command, limit))
    pieces, lengths = [], []
    while encoded:
        length = int.from_bytes(encoded[2:6], "big")
        pieces += list(pdus.fragments(encoded[6 : 6 + length]))
        lengths.append(length)
        encoded = encoded[6 + length :]
    assert b"".join(bytes(piece.data) for piece in pieces) == command
    assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(piece.is_command and piece.context_id == 5 for piece in pieces)
    assert max(lengths) <= max(limit, 7) if limit else len(lengths) == 1

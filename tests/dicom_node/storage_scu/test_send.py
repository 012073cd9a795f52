"""The sender: each kind of failure comes out as what to do about it."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from config.errors import AnswerMissing, CxrnodeError, PeerBusy, PeerUnavailable, RefusedByPeer, UnreadableInstance
from dicom_node.storage_scu.send import _batches, echo, offer, store
from dicom_node.storage_scu.target import Target
from dicom_node.upper_layer import dimse, pdus, pynetdicom_private
from dicom_node.upper_layer.association_request import MAX_CONTEXTS
from dicom_node.upper_layer.pynetdicom_private import MAX_RESPONSE_BYTES, BoundedSocket

MakeDataset = Callable[..., Dataset]
SaveFile = Callable[..., Path]
CR = "1.2.840.10008.5.1.4.1.1.1"


@pytest.fixture
def peer() -> Iterator[Callable[..., Target]]:
    """Start pynetdicom acceptors that answer every C-STORE with a given status."""
    servers: list[Any] = []

    def start(
        status: int | Dataset = 0,
        *,
        syntax: str = ExplicitVRLittleEndian,
        seen: list[Any] | None = None,
        **ae_options: Any,
    ) -> Target:
        ae = AE("PEER")
        for name, value in ae_options.items():
            setattr(ae, name, value)
        ae.add_supported_context(CR, [syntax])
        ae.add_supported_context("1.2.840.10008.1.1")

        def handle(event: Any) -> int | Dataset:
            if seen is not None:
                seen.append((event.request.AffectedSOPInstanceUID, event.request.DataSet.getvalue()))
            return status

        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, handle)])
        servers.append(server)
        return Target("127.0.0.1", server.socket.getsockname()[1], "PEER", "US", response_seconds=10)

    yield start
    for server in servers:
        server.shutdown()


def test_the_bytes_arrive_as_they_are_in_the_file(
    peer: Callable[..., Target], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    seen: list[Any] = []
    paths = [save_file(make_dataset()) for _ in range(3)]
    outcomes = store(paths, peer(seen=seen, maximum_pdu_size=4096))
    assert [outcome.stored for outcome in outcomes] == [True] * 3
    for path, outcome, (uid, data) in zip(paths, outcomes, seen, strict=True):
        assert uid == outcome.instance_uid
        assert path.read_bytes().endswith(data)
        assert data[:4] == b"\x08\x00\x16\x00"


def test_a_file_goes_under_the_uids_of_its_data_set_whatever_its_meta_information_says(
    peer: Callable[..., Target], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    seen: list[Any] = []
    path = save_file(make_dataset(SOPInstanceUID="1.2.3.4"))
    encoded = path.read_bytes()
    path.write_bytes(encoded.replace(b"1.2.3.4", b"1.2.3.5", 1))
    [outcome] = store([path], peer(seen=seen))
    assert (outcome.stored, outcome.instance_uid) == (True, "1.2.3.4")
    [(uid, data)] = seen
    assert uid == "1.2.3.4"
    assert encoded.endswith(data)


def test_a_response_to_another_message_is_no_response(make_dataset: MakeDataset, save_file: SaveFile) -> None:
    def another(connection: socket.socket) -> None:
        command = {
            dimse.COMMAND_FIELD: dimse.C_STORE_RSP, dimse.RESPONDED_MESSAGE_ID: 7, dimse.DATA_SET_TYPE: 0x0101,
            dimse.STATUS: 0, dimse.AFFECTED_SOP_CLASS: CR.encode(), dimse.AFFECTED_SOP_INSTANCE: b"1.2.3",
        }  # fmt: skip
        connection.sendall(pdus.command_pdu(1, dimse.encode_command(command)))
        connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_associations, args=(server, another))
        thread.start()
        with pytest.raises(AnswerMissing, match="answer to something else"):
            store([save_file(make_dataset())], Target("127.0.0.1", server.getsockname()[1], "ODD", "US"))
        thread.join()


def test_a_peer_that_claims_a_long_pdu_is_not_believed() -> None:
    def claim(connection: socket.socket) -> None:
        connection.sendall(b"\x04\x00\xff\xff\xff\xff")
        connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_associations, args=(server, claim))
        thread.start()
        with pytest.raises(PeerUnavailable, match="PDU of 4294967295 bytes is longer than agreed"):
            echo(Target("127.0.0.1", server.getsockname()[1], "LARGE", "US", response_seconds=10))
        thread.join()


@pytest.mark.fault(
    "a destination drips its answer byte by byte",
    promise="given up in time; tried again",
    area="peer",
)
def test_a_peer_that_drips_a_pdu_holds_nobody_for_ever() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\x04\x00\x00\x00\x10\x00")
        while True:
            connection.sendall(b"x")
            time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_associations, args=(server, drip))
        thread.start()
        with pytest.raises(PeerUnavailable, match=r"did not answer|gave no answer"):
            echo(Target("127.0.0.1", server.getsockname()[1], "SLOW", "US", response_seconds=0.5))
        thread.join()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (0x0000, None),
        (0xB000, None),
        (0xB007, None),
        (0x0107, None),
        (0x0111, None),
        (0xA700, PeerBusy),
        (0xA702, PeerBusy),
        (0x0110, PeerBusy),
        (0xA900, RefusedByPeer),
        (0xC123, RefusedByPeer),
        (0x0122, RefusedByPeer),
        (0x0124, RefusedByPeer),
    ],
)
@pytest.mark.fault(
    "a destination answers a C-STORE with a failure",
    promise="its status decides: tried again, or stopped and shown",
    area="peer",
)
def test_a_status_says_whether_to_try_again(
    peer: Callable[..., Target],
    make_dataset: MakeDataset,
    save_file: SaveFile,
    status: int,
    error: type[CxrnodeError] | None,
) -> None:
    [outcome] = store([save_file(make_dataset())], peer(status))
    assert outcome.status == status
    assert outcome.status_text == f"{status:04X}"
    assert outcome.stored is (error is None)
    if error is None:
        outcome.raise_for_status()
    else:
        with pytest.raises(error, match=outcome.status_text):
            outcome.raise_for_status()


def test_a_context_that_is_not_accepted_is_refused_for_good(
    peer: Callable[..., Target], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    [outcome] = store([save_file(make_dataset())], peer(syntax=ImplicitVRLittleEndian))
    assert isinstance(outcome.error, RefusedByPeer)
    assert "Explicit VR Little Endian" in outcome.message


def test_nobody_there_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = Target("127.0.0.1", unused.getsockname()[1], "NOBODY", "US", connect_seconds=1)
        with pytest.raises(PeerUnavailable, match="cannot be reached"):
            echo(target)


@pytest.mark.fault(
    "a destination's name does not resolve",
    promise="taken for away; it is tried again",
    area="peer",
)
def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    with pytest.raises(PeerUnavailable):
        echo(Target("no-such-host.invalid", 104, "NOBODY", "US", connect_seconds=1))


@pytest.mark.parametrize(
    "answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x07\x00\x00\x00\x00\x04" + bytes(4)]
)
@pytest.mark.fault(
    "something else than a DICOM peer answers",
    promise="taken for away; it is tried again",
    area="peer",
)
def test_a_peer_that_does_not_speak_dicom_is_unavailable(answer: bytes | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                if answer is not None:
                    connection.sendall(answer)
                else:
                    connection.recv(1 << 16)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(PeerUnavailable):
            echo(Target("127.0.0.1", server.getsockname()[1], "ODD", "US", response_seconds=0.3))
        thread.join()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"require_called_aet": True}, RefusedByPeer, "1,1,7"),
        ({"require_calling_aet": ["SOMEONE"]}, RefusedByPeer, "1,1,3"),
        ({"maximum_associations": 0}, PeerBusy, "2,3,2"),
    ],
)
def test_a_rejection_says_whether_to_try_again(
    peer: Callable[..., Target], options: dict[str, Any], error: type[CxrnodeError], match: str
) -> None:
    target = peer(**{name: value for name, value in options.items() if name != "maximum_associations"})
    if "maximum_associations" in options:
        target = peer(_maximum_associations=0)
    with pytest.raises(error, match=match):
        echo(Target(target.host, target.port, "OTHER", "US"))


def test_a_rejection_that_comes_with_the_end_of_the_connection_is_seen(
    peer: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = threading.Event.wait

    def late(event: threading.Event, timeout: float | None = None) -> bool:
        happened = wait(event, timeout)
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.3)  # the peer has answered and gone by now
        return happened

    target = peer(require_called_aet=True)
    monkeypatch.setattr(threading.Event, "wait", late)
    with pytest.raises(RefusedByPeer, match="1,1,7"):
        echo(Target(target.host, target.port, "OTHER", "US"))


@pytest.mark.filterwarnings("ignore:Found unknown escape sequence")
def test_a_comment_cannot_play_with_the_terminal(
    peer: Callable[..., Target], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    status = Dataset()
    status.Status, status.ErrorComment = 0xC000, "no\x1b[2J\x07\nroom"
    [outcome] = store([save_file(make_dataset())], peer(status))
    assert outcome.message == "cannot understand (no[2Jroom)"


def answer_associations(server: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    """Accept one association and all its contexts, wait for a command, and answer as told."""
    connection, _ = server.accept()
    with connection, contextlib.suppress(OSError):
        head = connection.recv(6, socket.MSG_WAITALL)
        request = A_ASSOCIATE_RQ()
        request.decode(head + connection.recv(int.from_bytes(head[2:], "big"), socket.MSG_WAITALL))
        primitive = request.to_primitive()
        contexts = primitive.presentation_context_definition_list
        for context in contexts:
            context.result = 0
        primitive.result = 0
        primitive.presentation_context_definition_results_list = contexts
        connection.sendall(A_ASSOCIATE_AC(primitive).encode())
        connection.recv(1 << 16)
        answer(connection)


def without_status(connection: socket.socket) -> None:
    command = {
        dimse.COMMAND_FIELD: dimse.C_ECHO_RSP,
        dimse.RESPONDED_MESSAGE_ID: 1,
        dimse.DATA_SET_TYPE: 0x0101,
    }
    connection.sendall(pdus.command_pdu(1, dimse.encode_command(command)))


def without_end(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(pdus.data_pdu_header(1, 2, is_command=True, is_last=False) + b"..")
        time.sleep(0.05)


def without_measure(connection: socket.socket) -> None:
    piece = pdus.data_pdu_header(1, 60000, is_command=True, is_last=False) + bytes(60000)
    for _ in range(2000):
        connection.sendall(piece)


@pytest.mark.parametrize("answer", [without_status, without_end, without_measure])
@pytest.mark.fault(
    "a destination answers a C-STORE with nonsense",
    promise="not taken for a success",
    area="peer",
)
def test_a_senseless_response_is_no_response(answer: Callable[[socket.socket], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_associations, args=(server, answer))
        thread.start()
        with pytest.raises(PeerUnavailable):
            echo(Target("127.0.0.1", server.getsockname()[1], "ODD", "US", response_seconds=1))
        thread.join()


def test_a_response_without_measure_costs_little_memory() -> None:
    taken = 0

    def answer(connection: socket.socket) -> None:
        nonlocal taken
        piece = pdus.data_pdu_header(1, 60000, is_command=True, is_last=False) + bytes(60000)
        while True:
            connection.sendall(piece)
            taken += len(piece)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_associations, args=(server, answer))
        thread.start()
        with pytest.raises(PeerUnavailable, match="the response is too long"):
            echo(Target("127.0.0.1", server.getsockname()[1], "ODD", "US", response_seconds=30))
        thread.join()
    assert taken < 32 * MAX_RESPONSE_BYTES, "what the kernel holds, and no more"


@pytest.mark.fault(
    "a destination that allows PDUs of any length takes a large one slowly",
    promise="each piece has its time, not the whole",
    area="peer",
)
def test_a_slow_peer_may_take_a_pdu_of_any_length_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynetdicom_private, "_PIECE_BYTES", 1 << 16)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
    sent, taken = bytes(1 << 19), bytearray()

    def take_slowly() -> None:
        while len(taken) < len(sent):
            time.sleep(0.1)
            taken.extend(theirs.recv(1 << 16, socket.MSG_WAITALL))

    connection = BoundedSocket(Mock(), ("127.0.0.1", 1), lambda: ours, seconds=0.6)
    connection.socket = ours
    thread = threading.Thread(target=take_slowly)
    thread.start()
    connection.send(sent)
    thread.join()
    ours.close()
    theirs.close()
    assert (connection.end, bytes(taken)) == ("", sent)


def test_echo_reports_the_time_it_took(peer: Callable[..., Target]) -> None:
    result = echo(peer())
    assert result.status == 0
    assert 0 < result.seconds < 10


def test_a_file_that_is_no_dicom_is_reported_and_the_rest_is_sent(
    peer: Callable[..., Target], make_dataset: MakeDataset, save_file: SaveFile, tmp_path: Path
) -> None:
    text, empty = tmp_path / "notes.txt", tmp_path / "empty"
    text.write_text("not DICOM")
    empty.write_bytes(b"")
    outcomes = store([text, save_file(make_dataset()), empty, tmp_path / "missing"], peer())
    assert [outcome.stored for outcome in outcomes] == [False, True, False, False]
    assert isinstance(outcomes[0].error, UnreadableInstance)
    assert outcomes[0].status_text == "----"


def test_more_kinds_than_one_association_can_hold_are_spread_over_several() -> None:
    class Kind:
        def __init__(self, number: int) -> None:
            self.context = (f"1.2.{number}", "1.2.840.10008.1.2.1")

    files: Any = [(number, Kind(number % 300)) for number in range(600)]
    parts = list(_batches(files))
    assert [number for _, batch in parts for number, _ in batch] == list(range(600))
    assert all(len(contexts) <= MAX_CONTEXTS for contexts, _ in parts)
    assert all(file.context in contexts for contexts, batch in parts for _, file in batch)


def test_a_file_is_offered_in_several_classes_and_sent_in_its_own(
    peer: Callable[..., Target], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    other, path = "1.2.840.10008.5.1.4.1.1.7", save_file(make_dataset())
    answer = offer(path, peer(), [other, CR])
    assert answer.accepted == (CR,)
    assert answer.outcome is not None
    assert answer.outcome.stored


def test_a_file_of_a_class_that_is_not_taken_is_not_sent(
    peer: Callable[..., Target], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    seen: list[Any] = []
    answer = offer(save_file(make_dataset()), peer(seen=seen), ["1.2.840.10008.5.1.4.1.1.7"])
    assert (answer.accepted, answer.outcome, seen) == ((), None, [])


def test_a_class_that_is_taken_in_another_transfer_syntax_only_is_refused_and_named(
    peer: Callable[..., Target], make_dataset: MakeDataset, save_file: SaveFile
) -> None:
    with pytest.raises(RefusedByPeer, match="not in Explicit VR Little Endian"):
        offer(save_file(make_dataset()), peer(syntax=ImplicitVRLittleEndian), [CR])

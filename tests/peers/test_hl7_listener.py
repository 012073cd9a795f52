"""The ``hl7`` package's own MLLP server takes our messages, reads them, and its acknowledgements are honoured."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import hl7
import pytest
from hl7.mllp import start_hl7_server

from config.destinations import Hl7Destination
from config.errors import PeerBusy, RefusedByPeer
from reporting.hl7.acknowledgement import AckCode
from reporting.hl7.message import build_message
from reporting.hl7.mllp import MllpConnection, MllpPeer, send_message
from tests.accounts import SLOPPY, account, good_header

pytestmark = pytest.mark.peers
DESTINATION = Hl7Destination(kind="hl7", name="ris", host="127.0.0.1", port=1)


class Listener:
    """An hl7 server in a thread: what it received, and the code it answers with."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.code = "AA"
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        handling: set[asyncio.Task[Any]] = set()

        async def process(reader: Any, writer: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            handling.add(task)
            try:
                while True:
                    message = await reader.readmessage()
                    self.received.append(message)
                    writer.writemessage(message.create_ack(self.code))
                    await writer.drain()
            except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await start_hl7_server(process, host="127.0.0.1", port=0, encoding="utf-8")
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@pytest.fixture
def listener() -> Iterator[Listener]:
    running = Listener()
    yield running
    running.stop()


def peer(listener: Listener) -> MllpPeer:
    return MllpPeer("127.0.0.1", listener.port, 5, 10)


def test_a_message_is_read_as_it_was_meant(listener: Listener) -> None:
    header = good_header(SpecificCharacterSet=b"ISO_IR 192", PatientName="O|Brien&Sons^Jörg".encode())
    built = build_message(account(header), DESTINATION, None)
    assert send_message(peer(listener), built.content, built.control_id).code is AckCode.APPLICATION_ACCEPT
    (message,) = listener.received
    assert str(message["MSH.F10"]) == built.control_id
    name = message.unescape(str(message["PID.F5.R1.C1"]))
    assert (name, str(message["PID.F5.R1.C2"])) == ("O|Brien&Sons", "Jörg")
    assert len(message.segments("OBX")) == built.content.count(b"\rOBX|")


def test_many_messages_are_acknowledged_on_one_connection(listener: Listener) -> None:
    with MllpConnection(peer(listener)) as connection:
        for make in list(SLOPPY.values())[:20]:
            built = build_message(account(make()), DESTINATION, None)
            assert connection.send(built.content, built.control_id).control_id == built.control_id
    assert len(listener.received) == 20


@pytest.mark.parametrize(("code", "failure"), [("AE", RefusedByPeer), ("AR", PeerBusy)])
def test_its_refusals_are_honoured(listener: Listener, code: str, failure: type[Exception]) -> None:
    listener.code = code
    built = build_message(account(), DESTINATION, None)
    with pytest.raises(failure):
        send_message(peer(listener), built.content, built.control_id)


@pytest.mark.parametrize("make", SLOPPY.values(), ids=SLOPPY)
def test_the_hl7_package_parses_every_message(make: Callable[[], Any]) -> None:
    message = hl7.parse(build_message(account(make()), DESTINATION, None).content.decode())
    assert [str(segment[0]) for segment in message][:5] == ["MSH", "PID", "PV1", "ORC", "OBR"]

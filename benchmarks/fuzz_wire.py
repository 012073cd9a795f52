"""Mutated association requests, DIMSE messages, HTTP requests and MLLP answers: nothing ends, grows or stays behind.

    .venv/bin/python -m benchmarks.fuzz_wire [--inputs 100000] [--only association dimse http mllp] [--write]

Each input is a valid exchange of which some bytes were changed, removed, repeated or put elsewhere, or whose lengths
lie; a number decides about all of it, so that a run with the same seed says the same. Receiver and console run as
processes of their own, our HL7 sender in this one against a listener that answers nonsense. Beside the number of
inputs stand memory, descriptors and threads after a tenth of them and at the end, and how often a last resort was
reached: an exception that no rule had foreseen. Writes ``benchmarks/results/fuzz_wire.json``.
"""

import argparse
import json
import os
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console as Screen

from benchmarks.receive import machine
from benchmarks.receivers import Cxrnode, Receiver
from config.errors import CxrnodeError
from dicom_node.storage_scu.send import echo
from dicom_node.storage_scu.target import Target
from dicom_node.upper_layer import dimse, pdus
from reporting.hl7.mllp import END, RETURN, START, MllpPeer, send_message
from tests.dicom_node.requests import request

RESULTS = Path(__file__).parent / "results" / "fuzz_wire.json"
CLIENTS = 8
"""Inputs at the same time."""
BATCH = 1000
PATIENCE_SECONDS = 0.05
"""After this long without an answer the client ends its side: part of an input is no whole one."""
CR = "1.2.840.10008.5.1.4.1.1.1"
REQUEST = request(calling=b"FUZZ")
LAST_RESORTS = ("association failed", "cannot serve a connection", "Traceback", "Exception in ASGI application")
"""What the programs log when an exception came that no rule had foreseen."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a process holds."""

    memory_mib: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one kind of input."""

    what: str
    inputs: int
    seconds: float
    answers: dict[str, int]
    at_a_tenth: Use
    at_the_end: Use
    last_resorts: int
    alive: bool


def mutate(encoded: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to four changes."""
    changed = bytearray(encoded)
    for _ in range(chance.randint(1, 4)):
        if not changed:
            return bytes(chance.randbytes(16))
        first = chance.randrange(len(changed))
        last = min(len(changed), first + chance.choice((1, 1, 2, 4, 8, 64)))
        match chance.randrange(7):
            case 0:
                changed[first] ^= 1 << chance.randrange(8)
            case 1:
                changed[first:last] = chance.randbytes(last - first)
            case 2:
                del changed[first:last]
            case 3:
                changed[first:first] = changed[first:last] * chance.choice((1, 2, 40))
            case 4:
                changed[first:last] = chance.choice((b"\x00", b"\xff", b"\x7f")) * (last - first)
            case 5:
                piece = changed[first:last]
                del changed[first:last]
                index = chance.randrange(len(changed) + 1)
                changed[index:index] = piece
            case _:
                del changed[first:]
    return bytes(changed)


def exchange(port: int, encoded: bytes, opening: bytes = b"") -> str:
    """Send an input, after an opening that is answered; return in a word what came back."""
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            if opening:
                connection.sendall(opening)
                length = struct.unpack(">2xI", connection.recv(6, socket.MSG_WAITALL))[0]
                connection.recv(length, socket.MSG_WAITALL)
            connection.sendall(encoded)
            connection.settimeout(PATIENCE_SECONDS)
            while True:
                try:
                    piece = connection.recv(65536)
                except TimeoutError:
                    connection.settimeout(10)
                    connection.shutdown(socket.SHUT_WR)
                    continue
                if not piece:
                    break
                received += piece
    except TimeoutError:
        return "no end"
    except (OSError, struct.error):
        return "closed"
    if received.startswith(b"HTTP/"):
        return received[9:12].decode("ascii", "replace")
    return pdus_of(received) if received else "nothing"


def pdus_of(received: bytes) -> str:
    """Return the types of the PDUs in an answer."""
    names = {2: "AC", 3: "RJ", 4: "P-DATA", 6: "RP", 7: "ABORT"}
    types = []
    while len(received) >= 6:
        kind, length = struct.unpack(">BxI", received[:6])
        types.append(names.get(kind, str(kind)))
        received = received[6 + length :]
    return " ".join(dict.fromkeys(types))


def association(chance: random.Random, port: int) -> str:
    """Ask for an association in a way that is not quite right."""
    return exchange(port, mutate(REQUEST, chance))


def message(chance: random.Random, port: int) -> str:
    """Send a C-ECHO or C-STORE and a release, not quite right, over a good association."""
    release = pdus.control_pdu(pdus.RELEASE_RQ, bytes(4))
    if chance.random() < 0.3:
        command = {dimse.COMMAND_FIELD: 0x30, dimse.MESSAGE_ID: 1, dimse.DATA_SET_TYPE: dimse.NO_DATA_SET}
        return exchange(port, mutate(pdus.command_pdu(1, dimse.encode_command(command)) + release, chance), REQUEST)
    uid = f"1.2.3.{chance.randrange(1 << 30)}".encode()
    command = {
        dimse.AFFECTED_SOP_CLASS: CR.encode(), dimse.COMMAND_FIELD: 1, dimse.MESSAGE_ID: 1, dimse.DATA_SET_TYPE: 1,
        dimse.AFFECTED_SOP_INSTANCE: uid,
    }  # fmt: skip
    data = b"".join(
        struct.pack("<HH2sH", group, element, vr, len(value)) + value
        for group, element, vr, value in (
            (8, 0x16, b"UI", _even(CR.encode())), (8, 0x18, b"UI", _even(uid)), (8, 0x60, b"CS", b"CR"),
            (0x10, 0x10, b"PN", b"FUZZ^ONE"), (0x10, 0x20, b"LO", b"FUZZ"), (0x20, 0xD, b"UI", _even(uid + b".1")),
            (0x20, 0xE, b"UI", _even(uid + b".2")),
        )
    )  # fmt: skip
    stream = pdus.command_pdu(1, dimse.encode_command(command))
    stream += pdus.data_pdu_header(1, len(data), is_command=False, is_last=True) + data
    return exchange(port, mutate(stream + release, chance), REQUEST)


def _even(value: bytes) -> bytes:
    return value + b"\0" * (len(value) % 2)


def http(chance: random.Random, port: int) -> str:
    """Ask the console for something, not quite rightly."""
    body = b"user=nobody&password=" + b"x" * chance.randrange(40)
    request = chance.choice((
        b"GET /health HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n",
        b"GET /login?next=/study/1.2 HTTP/1.1\r\nHost: node\r\nCookie: cxrnode=abc; a=b\r\nConnection: close\r\n\r\n",
        b"GET /dicom-web/studies HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/studies HTTP/1.1\r\nHost: node\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        b"POST /analyse HTTP/1.1\r\nHost: node\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 60\r\nConnection: close\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--b--',
        b"POST /nothing HTTP/1.1\r\nHost: node\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body),
    ))  # fmt: skip
    return exchange(port, mutate(request, chance))


def mllp(_chance: random.Random, port: int) -> str:
    """Send a message to a listener whose answer is not quite right."""
    content = b"MSH|^~\\&|CXRNODE||RIS||20260101||ORU^R01|CONTROL|P|2.5.1\r"
    try:
        send_message(MllpPeer("127.0.0.1", port, response_seconds=PATIENCE_SECONDS), content, "CONTROL")
    except CxrnodeError as error:
        return type(error).__name__
    return "acknowledged"


@contextmanager
def listener(seed: int) -> Iterator[int]:
    """Run an HL7 listener that answers nonsense; yield its port."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    numbers = iter(range(1 << 40))
    answer = START + b"MSH|^~\\&|RIS||CXRNODE||20260101||ACK|A1|P|2.5.1\rMSA|AA|CONTROL\r" + END + RETURN

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(2)
                connection.recv(65536)
                connection.sendall(mutate(answer, random.Random(f"{seed} answer {next(numbers)}")))

    for _ in range(CLIENTS):
        threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()


class Pages(Cxrnode):
    """The console of this project."""

    name = "cxrnode console"

    def command(self) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "cxrnode", "console"]

    def environment(self) -> dict[str, str]:
        """Return settings as environment variables."""
        return super().environment() | {"CXRNODE_CONSOLE__PORT": str(self.port)}


def use_of(process: int) -> Use:
    """Return what a process holds."""
    program = psutil.Process(process)
    return Use(round(program.memory_info().rss / 2**20, 1), program.num_fds(), program.num_threads())


def fuzz(what: str, ask: Callable[[random.Random, int], str], port: int, process: int, inputs: int, seed: int) -> Row:
    """Ask so many times, some at once."""
    answers: Counter[str] = Counter()

    def one(number: int) -> str:
        return ask(random.Random(f"{seed} {what} {number}"), port)

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:

        def ask_all(numbers: range) -> None:
            for start in range(numbers.start, numbers.stop, BATCH):  # the pool keeps something of each input of a call
                answers.update(pool.map(one, range(start, min(start + BATCH, numbers.stop))))

        tenth = inputs // 10
        ask_all(range(tenth))
        time.sleep(1)
        first = use_of(process)
        ask_all(range(tenth, inputs))
    seconds = time.perf_counter() - began
    time.sleep(2)
    return Row(what, inputs, round(seconds, 1), dict(answers.most_common()), first, use_of(process), 0, True)


def against(program: type[Receiver], what: str, ask: Callable[..., str], inputs: int, seed: int) -> Row:
    """Fuzz a program of its own."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        running = program(Path(folder) / "node")
        try:
            row = fuzz(what, ask, running.port, running.process.pid, inputs, seed)
            said = running.log.read_text(errors="replace")
            if isinstance(running, Pages):
                alive = exchange(running.port, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == "200"
            else:
                alive = echo(Target("127.0.0.1", running.port, "CXRNODE", "AFTER")).status == 0
        finally:
            running.stop()
    reached = sum(said.count(words) for words in LAST_RESORTS)
    return replace(row, last_resorts=reached, alive=alive)


def answers_of_mllp(inputs: int, seed: int) -> Row:
    """Fuzz our own HL7 sender."""
    with listener(seed) as port:
        return fuzz("mllp", mllp, port, os.getpid(), inputs, seed)


KINDS: dict[str, Callable[[int, int], Row]] = {
    "association": lambda inputs, seed: against(Cxrnode, "association", association, inputs, seed),
    "dimse": lambda inputs, seed: against(Cxrnode, "dimse", message, inputs, seed),
    "http": lambda inputs, seed: against(Pages, "http", http, inputs, seed),
    "mllp": answers_of_mllp,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz as the command line says; return 1 where something ended or reached a last resort."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000, help="of each kind (default 100,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    options = parser.parse_args(arguments)
    screen = Screen()
    rows = []
    for what in options.only:
        rows.append(KINDS[what](options.inputs, options.seed))
        screen.print(rows[-1])
    if options.write:
        kept = json.loads(RESULTS.read_text()).get("kinds", []) if RESULTS.exists() else []
        kinds = {row["what"]: row for row in kept} | {row.what: asdict(row) for row in rows}
        report = {"measured": datetime.now(UTC).date().isoformat(), "machine": machine(), "seed": options.seed}
        RESULTS.write_text(json.dumps(report | {"kinds": list(kinds.values())}, indent=2) + "\n")
    return int(any(row.last_resorts or not row.alive for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())

"""A real sender among strangers who attack: how much of its rate it keeps.

``python -m benchmarks.strangers``

A known peer sends images, one association each: in quiet, while a thousand hostile connections from twenty other
loopback addresses go to a program that only reads and closes, and while they go to the receiver. They are silent, send
noise, claim 4 GB, send association requests of 254 KiB, pretend to be the peer, propose refused classes, only echo, or
stop in the middle of an image. The result is the median of the rounds' ratios of images a second under attack to those
in quiet. The attackers share the machine, so the same ratio to the time when they are busy elsewhere stands beside it.
"""

import argparse
import json
import multiprocessing
import os
import random
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from benchmarks.images import SMALL, Images
from benchmarks.receive import machine
from benchmarks.receivers import Cxrnode
from dicom_node.storage_scu.send import store
from dicom_node.storage_scu.target import Target
from dicom_node.upper_layer import dimse, pdus
from tracking.audit_log import refusals
from tracking.engine.database import Database
from tracking.tables.models import AuditEvent

RESULTS = Path(__file__).parent / "results" / "strangers.json"
CONNECTIONS = 1000
ADDRESSES = [f"127.0.0.{number}" for number in range(2, 22)]
QUIET_SECONDS = 10.0
LONGEST_ATTACK_SECONDS = 60.0
IMAGES = 2000
GOAL = 0.8

_COMPUTED_RADIOGRAPHY = b"1.2.840.10008.5.1.4.1.1.1"
_COMPUTED_TOMOGRAPHY = b"1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT = b"1.2.840.10008.1.2.1"
_ECHO = pdus.command_pdu(
    1,
    dimse.encode_command({dimse.COMMAND_FIELD: 0x30, dimse.MESSAGE_ID: 1, dimse.DATA_SET_TYPE: dimse.NO_DATA_SET}),
)
_STORE = pdus.command_pdu(
    1,
    dimse.encode_command(
        {dimse.AFFECTED_SOP_CLASS: _COMPUTED_RADIOGRAPHY, dimse.COMMAND_FIELD: 1, dimse.MESSAGE_ID: 1,
         dimse.DATA_SET_TYPE: 1, dimse.AFFECTED_SOP_INSTANCE: b"1.2.3"}
    ),
)  # fmt: skip


class KnownPeers(Cxrnode):
    """The receiver with its default limits and the real sender as its only known peer."""

    def environment(self) -> dict[str, str]:
        """Return settings as environment variables."""
        settings = super().environment()
        del settings["CXRNODE_RECEIVE__MAX_ASSOCIATIONS"]
        peer = {"name": "bench", "ae_title": "BENCH", "addresses": ["127.0.0.1"]}
        return settings | {"CXRNODE_PEERS": json.dumps([peer])}

    @property
    def database_url(self) -> str:
        """The tracking database."""
        return f"sqlite:///{self.folder / 'data' / 'cxrnode.db'}"


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _request(calling: bytes, abstract_syntax: bytes, syntaxes: bytes, contexts: int = 1) -> bytes:
    fixed = struct.pack(">HH16s16s32s", 1, 0, b"CXRNODE".ljust(16), calling.ljust(16), b"")
    items = _item(0x10, b"1.2.840.10008.3.1.1.1")
    for number in range(contexts):
        items += _item(0x20, bytes((2 * number + 1, 0, 0, 0)) + _item(0x30, abstract_syntax) + syntaxes)
    return pdus.control_pdu(pdus.ASSOCIATE_RQ, fixed + items + _item(0x50, _item(0x51, bytes(4))))


def hostile_bytes(number: int) -> tuple[str, list[bytes]]:
    """Return the name and the pieces, with pauses between them, of what the hostile connection of a number sends."""
    calling = b"S%d" % number
    request = _request(calling, _COMPUTED_RADIOGRAPHY, _item(0x40, _EXPLICIT))
    wide = _request(calling, _COMPUTED_RADIOGRAPHY, _item(0x40, b"1") * 12900, contexts=4)
    kinds: list[tuple[str, list[bytes]]] = [
        ("silent", [b""] * 5),
        ("noise", [random.Random(number).randbytes(65536)]),
        ("claims 4 GB", [b"\x01\x00\xff\xff\xff\xff" + bytes(65536)]),
        ("request of 254 KiB", [wide]),
        ("impostor", [_request(b"BENCH", _COMPUTED_RADIOGRAPHY, _item(0x40, _EXPLICIT))]),
        ("refused class", [_request(calling, _COMPUTED_TOMOGRAPHY, _item(0x40, _EXPLICIT)), b""]),
        ("echoes only", [request, *[_ECHO] * 5]),
        ("stops in an image", [request, _STORE + pdus.data_pdu_header(1, 2000, is_command=False, is_last=False), b""]),
    ]
    return kinds[number % len(kinds)]


def attack(port: int, first: int) -> None:
    """Open hostile connections, 32 at a time, for a bounded time."""
    deadline = time.monotonic() + LONGEST_ATTACK_SECONDS

    def connect(number: int) -> None:
        _, pieces = hostile_bytes(number)
        if time.monotonic() > deadline:
            return
        try:
            source = (ADDRESSES[number % len(ADDRESSES)], 0)
            with socket.create_connection(("127.0.0.1", port), timeout=5, source_address=source) as connection:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.1)
        except OSError:
            return

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(connect, range(first, first + CONNECTIONS)))


def read_and_close(listener: socket.socket) -> None:
    """Take every connection, read what comes, and close with the peer; for as long as the process lives."""

    def drain(connection: socket.socket) -> None:
        with connection:
            try:
                while connection.recv(65536):
                    pass
            except OSError:
                return

    with ThreadPoolExecutor(64) as pool:
        while True:
            pool.submit(drain, listener.accept()[0])


def send_until(target: Target, paths: list[Path], start: int, is_over: Any) -> tuple[int, int, float]:
    """Send images until it is over; return how many were stored, how many attempts failed, and the seconds."""
    stored = failed = 0
    began = time.monotonic()
    while not is_over(time.monotonic() - began):
        try:
            [outcome] = store([paths[(start + stored + failed) % len(paths)]], target)
        except Exception:  # noqa: BLE001 - a sender tries again, whatever it was
            failed += 1
            continue
        stored += outcome.stored
        failed += not outcome.stored
    return stored, failed, time.monotonic() - began


def send_beside_attack(target: Target, paths: list[Path], start: int, port: int, number: int) -> tuple[int, int, float]:
    """Send images until a thousand hostile connections to a port are over."""
    attackers = multiprocessing.Process(target=attack, args=(port, number * CONNECTIONS))
    attackers.start()
    sent = send_until(target, paths, start, lambda _: not attackers.is_alive())
    attackers.join()
    return sent


def measure(rounds: int, work: Path, console: Console) -> dict[str, Any]:
    """Run the rounds against one receiver and return the figures."""
    (work / "images").mkdir()
    paths = Images(work / "images").make(SMALL, IMAGES)
    receiver = KnownPeers(work / "node")
    target = Target("127.0.0.1", receiver.port, "CXRNODE", "BENCH")
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    sink = multiprocessing.Process(target=read_and_close, args=(listener,), daemon=True)
    sink.start()
    measured: list[dict[str, Any]] = []
    try:
        start = send_until(target, paths, 0, lambda seconds: seconds > 2)[0]
        for number in range(rounds):
            quiet = send_until(target, paths, start, lambda seconds: seconds > QUIET_SECONDS)
            start += quiet[0]
            elsewhere = send_beside_attack(target, paths, start, listener.getsockname()[1], number)
            start += elsewhere[0]
            cpu = receiver.cpu_seconds()
            attacked = send_beside_attack(target, paths, start, receiver.port, number)
            start += attacked[0]
            cpu = receiver.cpu_seconds() - cpu
            rates = {"quiet": quiet, "attackers_elsewhere": elsewhere, "attacked": attacked}
            measured.append(
                {
                    "images_a_second": {name: round(sent[0] / sent[2], 2) for name, sent in rates.items()},
                    "failed": {name: sent[1] for name, sent in rates.items()},
                    "seconds": {name: round(sent[2], 1) for name, sent in rates.items()},
                    "receiver_cpu_seconds_attacked": round(cpu, 2),
                    "ratio": round(attacked[0] / attacked[2] / (quiet[0] / quiet[2]), 3),
                    "ratio_to_attackers_elsewhere": round(attacked[0] / attacked[2] / (elsewhere[0] / elsewhere[2]), 3),
                }
            )
            console.print(measured[-1])
        time.sleep(5)  # counts are written in the background
        traces = _traces(receiver.database_url)
    finally:
        receiver.stop()
        sink.kill()
        sink.join()
    return {"rounds": measured, "ratio": statistics.median(entry["ratio"] for entry in measured), "traces": traces}


def _traces(url: str) -> dict[str, Any]:
    """Return how many refusals were counted, in how many rows, and how many audit lines they left."""
    database = Database.open(url)
    try:
        with database.reading() as read:
            entries = refusals.latest(read, limit=refusals.MOST_ROWS)
            lines = read.scalar(
                select(func.count())
                .select_from(AuditEvent)
                .where(AuditEvent.type.in_(["association-rejected", "context-refused"]))
            )
    finally:
        database.close()
    reasons: Counter[str] = Counter()
    for entry in entries:
        reasons[entry.refusal.reason] += entry.count
    return {"refused": sum(reasons.values()), "rows": len(entries), "audit_lines": lines, "by_reason": dict(reasons)}


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often 1,000 connections attack (default 3)")
    parser.add_argument("--work", type=Path, help="folder for temporary files, on the disk to be measured")
    arguments = parser.parse_args()
    console = Console()
    about = machine()
    with tempfile.TemporaryDirectory(dir=arguments.work, prefix="strangers-") as work:
        result = measure(arguments.rounds, Path(work), console)
    about["busy_at_end"] = round(os.getloadavg()[0], 1)
    table = Table("quiet", "attackers elsewhere", "attacked", "ratio", title="images a second of a real sender")
    for entry in result["rounds"]:
        table.add_row(*(str(rate) for rate in entry["images_a_second"].values()), str(entry["ratio"]))
    console.print(table)
    console.print(result["traces"])
    result = {"measured": datetime.now(UTC).date().isoformat(), "machine": about, "goal": GOAL, **result}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0 if result["ratio"] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

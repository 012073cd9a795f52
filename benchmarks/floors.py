"""What no receiver here can beat, measured beside them: the sender alone, the durable write alone, both at once.

:class:`Sink` is the sender's floor. It accepts every association, lets the kernel throw the data away unread and
answers 0x0000 at once. :class:`DurableWrites` is the disk's: the same bytes, already in memory, written by as many
threads as there are senders, with the flushes that cxrnode's promise needs and no more. It receives nothing, parses
nothing and hashes nothing.
"""

import os
import socket
import sqlite3
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from dicom_node.upper_layer import dimse, pdus

_PDU = struct.Struct(">BxI")
_FRAGMENT = struct.Struct(">IBB")
_ITEM = struct.Struct(">BxH")
_FIXED_REQUEST_BYTES = 68
_LARGEST_PDU = 131072
_BUFFER_BYTES = 1 << 20

Contents = Sequence[tuple[str, bytes]]
"""File names and what is to be written under them."""


class Sink:
    """A listening socket whose associations store nothing and succeed at once."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=_Drain(connection).run, daemon=True).start()


class _Drain:
    """One association; whatever is unexpected ends it, and the sender fails aloud."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray(_BUFFER_BYTES)
        self._command: dict[int, bytes] = {}

    def run(self) -> None:
        """Serve until the sender leaves."""
        with self._socket, suppress(EOFError, OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                kind, length = _PDU.unpack(self._receive(_PDU.size))
                if kind == pdus.ASSOCIATE_RQ:
                    self._socket.sendall(accept_all(self._receive(length)))
                elif kind == pdus.P_DATA:
                    self._take(length)
                else:
                    self._receive(length)
                    self._socket.sendall(pdus.release_pdu(pdus.RELEASE_RP))

    def _take(self, length: int) -> None:
        """Take a P-DATA-TF, and answer the end of a data set."""
        while length:
            size, context_id, control = _FRAGMENT.unpack(self._receive(_FRAGMENT.size))
            length -= 4 + size
            if control & 1:
                self._command = dimse.decode_command(self._receive(size - 2))
                continue
            self._drop(size - 2)
            if control & 2:
                self._socket.sendall(pdus.command_pdu(context_id, success(self._command)))

    def _receive(self, size: int) -> bytes:
        """Receive exactly so many bytes."""
        data = self._socket.recv(size, socket.MSG_WAITALL)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if len(data) < size:
            raise EOFError
        return data

    def _drop(self, size: int) -> None:
        """Let the kernel throw away so many bytes: MSG_TRUNC copies nothing (tcp(7))."""
        while size:
            most = min(size, len(self._buffer))
            gone = self._socket.recv_into(self._buffer, most, socket.MSG_WAITALL | socket.MSG_TRUNC)
            if gone == 0:
                raise EOFError
            size -= gone


def accept_all(request: bytes) -> bytes:
    """Answer the body of an A-ASSOCIATE-RQ: every context with the first transfer syntax proposed (PS3.8 9.3.3)."""
    body, position = bytearray(request[:_FIXED_REQUEST_BYTES]), _FIXED_REQUEST_BYTES
    while position < len(request):
        kind, length = _ITEM.unpack_from(request, position)
        item = request[position + _ITEM.size : position + _ITEM.size + length]
        position += _ITEM.size + length
        if kind == 0x10:  # application context
            body += _ITEM.pack(kind, length) + item
        elif kind == 0x20:  # presentation context: number, three reserved bytes, abstract syntax, transfer syntaxes
            start = 4 + _ITEM.size + _ITEM.unpack_from(item, 4)[1]
            syntax = item[start : start + _ITEM.size + _ITEM.unpack_from(item, start)[1]]
            body += _ITEM.pack(0x21, 4 + len(syntax)) + item[:1] + bytes(3) + syntax
    user = _ITEM.pack(0x51, 4) + _LARGEST_PDU.to_bytes(4, "big") + _ITEM.pack(0x52, 6) + b"2.25.1"
    body += _ITEM.pack(0x50, len(user)) + user
    return _PDU.pack(pdus.ASSOCIATE_AC, len(body)) + bytes(body)


def success(command: dict[int, bytes]) -> bytes:
    """Return the C-STORE-RSP, status 0x0000, to a C-STORE-RQ (PS3.7 9.3.1.2)."""
    return dimse.encode_command(
        {
            dimse.AFFECTED_SOP_CLASS: command[dimse.AFFECTED_SOP_CLASS],
            dimse.COMMAND_FIELD: dimse.C_STORE_RSP,
            dimse.RESPONDED_MESSAGE_ID: dimse.number(command, dimse.MESSAGE_ID),
            dimse.DATA_SET_TYPE: dimse.NO_DATA_SET,
            dimse.STATUS: 0,
            dimse.AFFECTED_SOP_INSTANCE: command[dimse.AFFECTED_SOP_INSTANCE],
        }
    )


class DurableWrites:
    """Writes files below ``folder`` as durably as cxrnode promises, and as barely as can be.

    Each file is written in one call, flushed and renamed; one flush of the folder and one tiny SQLite transaction
    (WAL, synchronous=FULL) serve all files that wait for one.
    """

    def __init__(self, folder: Path) -> None:
        self._parts, self._final = folder / "parts", folder / "final"
        for each in (self._parts, self._final):
            each.mkdir(parents=True)
        self._folder = os.open(self._final, os.O_RDONLY | os.O_DIRECTORY)
        self._database = sqlite3.connect(folder / "floor.db", isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE done (name TEXT)"):
            self._database.execute(statement)
        self._committing = threading.Lock()
        self._waiting: deque[str] = deque()
        self._durable: set[str] = set()

    def __call__(self, contents: Contents, writers: int) -> None:
        """Write all, ``writers`` at a time; return when all are durable."""
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(self._write, [contents[n::writers] for n in range(writers)]))

    def clear(self) -> None:
        """Give the space of what was written back, though not the names: see :func:`emptied`."""
        emptied(self._final / name for name in self._durable)
        self._durable.clear()

    def close(self) -> None:
        """Close folder and database."""
        os.close(self._folder)
        self._database.close()

    def _write(self, contents: Contents) -> None:
        for name, data in contents:
            part = self._parts / name
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(descriptor, left) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.rename(self._final / name)
            self._waiting.append(name)
            while name not in self._durable:
                with self._committing:
                    if name not in self._durable:
                        self._commit()

    def _commit(self) -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        os.fsync(self._folder)
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT INTO done VALUES (?)", [(name,) for name in batch])
        self._database.execute("COMMIT")
        self._durable.update(batch)


def both_at_once(sends: Callable[[], None], writes: Callable[[], None]) -> None:
    """Send and write side by side, sharing the machine; neither waits for the other, as a receiver's answers would."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(sends), pool.submit(writes)]:
            done.result()


def emptied(paths: Iterable[Path]) -> None:
    """Empty files that have been used instead of removing them.

    ext4 looks twice at every inode that was freed in the last minutes before it gives it to a new file, and a
    benchmark that removes files as it goes would measure that.
    """
    for path in paths:
        os.truncate(path, 0)

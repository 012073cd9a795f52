"""Accepting connections: the thread that accepts one also serves it, and others wait in ``accept`` meanwhile.

A modality that opens an association for every image would wait each time for a new thread, or for another one to wake
up: on a machine that has been idle for a moment that takes longer than anything else before the first image.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from config.errors import SettingsError
from config.logs import get_logger

_log = get_logger(__name__)
_BACKLOG = 128
_PAUSE_SECONDS = 0.1
_LAST_SECONDS = 5.0
_MOST_WAITING = 4

OnConnection = Callable[[socket.socket, str], None]
"""Takes a connected socket, which it now owns, and the peer's address; returns when the connection has ended."""


class Listener:
    """A listening TCP socket and the threads that serve it; ``setting`` is where its port comes from, for errors."""

    def __init__(self, host: str, port: int, on_connection: OnConnection, setting: str = "receive.port") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            msg = (
                f"cannot listen on {host} port {port}: {error.strerror}; "
                f"change receive.host or {setting}, or stop what uses that port"
            )
            raise SettingsError(msg) from error
        self.port = int(self._socket.getsockname()[1])
        """The port that is really listened on; interesting when the settings say 0."""
        self._on_connection = on_connection
        self._closing = False
        self._waiting = 0
        self._changed = threading.Condition()

    def start(self) -> None:
        """Begin to accept."""
        for _ in range(2):
            self._add_thread()

    def close(self) -> None:
        """Accept no more connections; those that exist go on."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the threads, which close alone would not
        with self._changed:
            self._changed.wait_for(lambda: self._waiting == 0, _LAST_SECONDS)
        self._socket.close()

    def _add_thread(self) -> None:
        with self._changed:
            self._waiting += 1
        try:
            threading.Thread(target=self._run, name="dicom-association", daemon=True).start()
        except RuntimeError as error:  # no more threads, for now: the next connection waits until one has ended
            self._no_longer_waiting()
            _log.warning("cannot accept a connection beside the others", error=str(error))

    def _no_longer_waiting(self) -> bool:
        """Count the calling thread out, and tell whether another is left."""
        with self._changed:
            self._waiting -= 1
            self._changed.notify_all()
            return self._waiting > 0

    def _waits_again(self) -> bool:
        """Count the calling thread in, unless enough others wait."""
        with self._changed:
            if self._waiting >= _MOST_WAITING:
                return False
            self._waiting += 1
            return True

    def _run(self) -> None:
        while (accepted := self._accept()) is not None:
            if not self._no_longer_waiting():
                self._add_thread()
            self._serve(*accepted)
            if not self._waits_again():
                return
        self._no_longer_waiting()

    def _accept(self) -> tuple[socket.socket, str] | None:
        """Wait for a connection; None when the socket was closed."""
        while not self._closing:
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                if not self._closing:  # out of file descriptors, for instance: others will be given back
                    _log.warning("cannot accept a connection", error=error.strerror)
                    time.sleep(_PAUSE_SECONDS)
            else:
                return connection, str(address[0])
        return None

    def _serve(self, connection: socket.socket, address: str) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._on_connection(connection, address)
        except Exception:  # noqa: BLE001 - the listener has to outlive whatever one connection brings
            _log.error("cannot serve a connection", address=address, exc_info=True)
            connection.close()

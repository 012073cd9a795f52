"""Accepting connections: one thread that waits in ``accept`` and does nothing else."""

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

OnConnection = Callable[[socket.socket, str], None]
"""Takes a connected socket, which it now owns, and the peer's address."""


class Listener:
    """A listening TCP socket and the thread that serves it."""

    def __init__(self, host: str, port: int, on_connection: OnConnection) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            msg = (
                f"cannot listen on {host} port {port}: {error.strerror}; "
                "change receive.host or receive.port, or stop what uses that port"
            )
            raise SettingsError(msg) from error
        self.port = int(self._socket.getsockname()[1])
        """The port that is really listened on; interesting when the settings say 0."""
        self._on_connection = on_connection
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="dicom-listener", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def close(self) -> None:
        """Accept no more connections; those that exist go on."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which close alone would not
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._closing:
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                if not self._closing:  # out of file descriptors, for instance: others will be given back
                    _log.warning("cannot accept a connection", error=error.strerror)
                    time.sleep(_PAUSE_SECONDS)
                continue
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._on_connection(connection, str(address[0]))
            except Exception:  # noqa: BLE001 - the listener has to outlive whatever one connection brings
                _log.error("cannot serve a connection", address=str(address[0]), exc_info=True)
                connection.close()

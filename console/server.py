"""The web server of the pages: uvicorn in a thread of the service, which alone hears signals."""

import asyncio
import socket
import threading
import time

import uvicorn

from config.errors import SettingsError
from config.logs import get_logger
from config.settings import Settings
from console.app import make_app
from console.connections import BoundedProtocol, new_loop
from console.refusal_log import refusal_log
from console.site import Site
from console.tls import make_context
from tracking.engine.database import Database

log = get_logger(__name__)
_BACKLOG = 128
_START_SECONDS = 30.0
_STOP_SECONDS = 5
_KEEP_ALIVE_SECONDS = 10


class Console:
    """The pages, between :meth:`start` and :meth:`stop`."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        proxies = list(settings.console.trusted_proxies)
        context = make_context(settings.console)
        self._site = Site(settings, database)
        self._site.is_serving = True
        # No access log, as addresses of pages hold what was searched for; proxy headers from named proxies only, as
        # anyone can write them; no warnings, which are a line for each bad request: BoundedProtocol counts them.
        config = uvicorn.Config(
            make_app(settings, database, self._site), log_config=None, access_log=False, lifespan="off",
            proxy_headers=bool(proxies), forwarded_allow_ips=proxies, server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS, http=BoundedProtocol, ws="none",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS, log_level="error",
            ssl_context_factory=None if context is None else lambda *_: context,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        assert self._socket is not None, "not started"  # noqa: S101 - a mistake of ours
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Listen; return when pages are served.

        Raises
        ------
        SettingsError
            The address or port cannot be listened on.
        """
        self._socket = _listen(self._settings.console.host, self._settings.console.port)
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), name="console", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self._server.started:
            msg = "the web pages did not start; run `cxrnode doctor`"
            raise SettingsError(msg)
        log.info("console-ready", host=self._settings.console.host, port=self.port)

    def _serve(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._server.serve([listener]))

    def stop(self) -> None:
        """Answer what was asked, then close."""
        self._site.live.close()  # pages that stay open would keep the server for its whole grace
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS + 5)
        refusal_log.close()
        if self._socket is not None:
            self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        msg = f"console.host {host!r} is no address of this machine: {error.strerror}"
        raise SettingsError(msg) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        msg = f"console.host {host!r}, console.port {port}: {error.strerror}; choose another port"
        raise SettingsError(msg) from None
    return listener

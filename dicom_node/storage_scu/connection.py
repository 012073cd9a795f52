"""The connection to a peer that we call: TCP, and the TLS handshake where the peer's settings ask for it."""

import socket
import ssl
import time

from config.certificates import ClientTls, client_context, why_refused
from config.errors import PeerUnavailable, SettingsError
from dicom_node.storage_scu.target import Target


def connect(target: Target) -> socket.socket:
    """Return a connection to a peer, over which PDUs may be sent now; raise PeerUnavailable where there is none."""
    deadline = time.monotonic() + target.connect_seconds
    try:
        context = None if target.tls is None else client_context(target.tls)
        sock = socket.create_connection((target.host, target.port), target.connect_seconds)
    except SettingsError as error:  # a file may be away for a moment, while somebody renews it
        msg = f"{target.name} cannot be reached: {error}"
        raise PeerUnavailable(msg) from error
    except OSError as error:
        msg = f"{target.name} cannot be reached: {error.strerror or 'no connection in time'}"
        raise PeerUnavailable(msg) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None or target.tls is None:
        return sock
    return _secured(sock, context, target, target.tls, deadline)


def _secured(
    sock: socket.socket, context: ssl.SSLContext, target: Target, tls: ClientTls, deadline: float
) -> ssl.SSLSocket:
    """Shake hands before the deadline, on the monotonic clock; takes over the socket."""
    try:
        secured = context.wrap_socket(sock, server_hostname=tls.server_name, do_handshake_on_connect=False)
    except OSError as error:  # the peer has gone already
        sock.close()
        msg = f"{target.name} did not finish the TLS handshake"
        raise PeerUnavailable(msg) from error
    try:
        secured.settimeout(max(0.001, deadline - time.monotonic()))
        secured.do_handshake()
    except ssl.SSLError as error:
        secured.close()
        msg = f"{target.name} cannot be reached: {why_refused(error)}"
        raise PeerUnavailable(msg) from error
    except OSError as error:
        secured.close()
        msg = f"{target.name} did not finish the TLS handshake"
        raise PeerUnavailable(msg) from error
    return secured

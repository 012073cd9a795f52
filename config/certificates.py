"""TLS credentials: the PEM files that the settings name, contexts made of them, and when they expire.

TLS is 1.2 or 1.3 with the cipher suites that BCP 195 recommends (RFC 9325 4.2, PS3.15 B.12): ephemeral keys and
authenticated encryption only. Contexts never ask for a passphrase: a service starts without a person.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from config.destinations import Destination, FhirDestination
from config.errors import SettingsError
from config.logs import get_logger
from config.settings import Settings

EXPIRES_SOON_DAYS = 30
"""Fewer days than this are worth a warning."""

_log = get_logger(__name__)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Cipher suites of TLS 1.2 in OpenSSL's words; those of TLS 1.3 are all of this kind."""
_SPEAK_AFTER_AN_END: int = getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
"""OpenSSL 3 else breaks off where a peer ends without TLS's goodbye, and our last PDU never goes out. What is cut short
is known by the lengths in PDUs and HL7 frames."""
_DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a listening port shows and asks for; ``client_ca`` holds the authorities of client certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    require_client_certificate: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Return every file that a context is made of."""
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path is not None)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a connection to a peer shows and asks for.

    ``server_name`` is the name or address that the peer's certificate must have, ``ca`` holds its authorities (None:
    those of the operating system); ``certificate`` and ``key`` are ours, where the peer asks for them.
    """

    server_name: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate of this node expires; ``use`` says what for, ``not_after`` is None where none can be read."""

    use: str
    path: Path
    not_after: datetime | None

    @property
    def is_due(self) -> bool:
        """Say whether it expires within :data:`EXPIRES_SOON_DAYS`, has expired, or cannot be read."""
        days = self.days_left()
        return days is None or days < EXPIRES_SOON_DAYS

    def days_left(self, now: datetime | None = None) -> float | None:
        """Return for how many days it is valid yet, negative once it has expired."""
        if self.not_after is None:
            return None
        return (self.not_after - (now or datetime.now(UTC))).total_seconds() / _DAY_SECONDS


def server_tls(settings: Settings) -> ServerTls | None:
    """Return the TLS of the Storage SCP, or None where it has none."""
    tls = settings.node.tls
    if tls.certificate is None or tls.key is None:
        return None
    return ServerTls(tls.certificate, tls.key, tls.client_ca, tls.require_client_certificate)


def client_tls(destination: Destination) -> ClientTls | None:
    """Return the TLS of a destination; None where it is spoken to in the clear, or by HTTP's own means."""
    if isinstance(destination, FhirDestination) or not destination.tls:
        return None
    name = destination.tls_server_name or destination.host
    return ClientTls(name, destination.tls_ca, destination.tls_certificate, destination.tls_key)


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """Return the context of a listening port; raise SettingsError where its files do not work."""
    context = _new_context(ssl.PROTOCOL_TLS_SERVER)
    load_key_pair(context, tls.certificate, tls.key, "node.tls.")
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED if tls.require_client_certificate else ssl.CERT_OPTIONAL
        _load_authorities(context, tls.client_ca, "node.tls.client_ca")
    return context


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """Return the context of a connection to a peer; raise SettingsError where its files do not work."""
    context = _new_context(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca is None:
        context.load_default_certs()
    else:
        _load_authorities(context, tls.ca, "tls_ca")
    if tls.certificate is not None and tls.key is not None:
        load_key_pair(context, tls.certificate, tls.key, "tls_")
    return context


class RenewingContext:
    """The context of a listening port, made anew when one of its files has changed; safe to share between threads.

    Parameters
    ----------
    files
        What the context is made of.
    make
        Makes it; raises SettingsError where the files do not work.
    """

    def __init__(self, files: Sequence[Path], make: Callable[[], ssl.SSLContext]) -> None:
        self._files = tuple(files)
        self._make = make
        self._made_of = self._versions()
        self._context = make()

    def current(self) -> ssl.SSLContext:
        """Return a context of the files as they are, or the last one that worked."""
        versions = self._versions()
        if versions != self._made_of:
            self._made_of = versions
            try:
                self._context = self._make()
            except SettingsError as error:  # half of a new pair, perhaps: its other half will be seen, too
                _log.error("certificate could not be renewed", error=str(error))
            else:
                _log.info("certificate renewed", certificate=str(self._files[0]))
        return self._context

    def _versions(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Return what changes when a file is written or replaced."""
        return tuple(_version(path) for path in self._files)


def load_key_pair(context: ssl.SSLContext, certificate: Path, key: Path, prefix: str) -> None:
    """Load a certificate and its key, whose settings are ``prefix`` and "certificate" or "key".

    Raises
    ------
    SettingsError
        The files cannot be read, are no PEM, do not belong together, or the key needs a passphrase.
    """
    keys = f"{prefix}certificate, {prefix}key"
    try:
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except _PassphraseNeeded:
        msg = f"{prefix}key: {key} needs a passphrase; write it without one, readable by the node's user alone"
        raise SettingsError(msg) from None
    except ssl.SSLError as error:
        problem = (
            f"{key} is not the key of {certificate}"
            if error.reason == "KEY_VALUES_MISMATCH"
            else f"{certificate} or {key} is no certificate or key in PEM format"
        )
        msg = f"{keys}: {problem}"
        raise SettingsError(msg) from None
    except OSError as error:
        msg = f"{keys}: {certificate} or {key} cannot be read: {error.strerror}; give both to the user the node runs as"
        raise SettingsError(msg) from None


def expiries(settings: Settings) -> Iterator[Expiry]:
    """Yield when each certificate that this node shows expires: of the receiver, the console and destinations."""
    used = [("receive", settings.node.tls.certificate), ("console", settings.console.tls_certificate)]
    secured = ((entry.name, client_tls(entry)) for entry in settings.destinations)
    used += [(f"destination {name}", tls.certificate) for name, tls in secured if tls is not None]
    for use, path in used:
        if path is not None:
            yield Expiry(use, path, _not_after(path))


def why_refused(error: ssl.SSLError) -> str:
    """Return in words why a handshake that we began came to nothing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message.rstrip('.')}): check tls_ca and tls_server_name"
    reason = error.reason or ""
    if "CERTIFICATE" in reason or reason in {"TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_HANDSHAKE_FAILURE"}:
        return f"it does not accept our certificate ({reason}): check tls_certificate here and the authorities there"
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
        return "it does not speak TLS on this port"
    return f"the TLS handshake failed ({reason or 'no reason given'})"


def _new_context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= _SPEAK_AFTER_AN_END
    return context


def _load_authorities(context: ssl.SSLContext, path: Path, key: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        msg = f"{key}: {path} holds no certificate in PEM format"
        raise SettingsError(msg) from None
    except OSError as error:
        msg = f"{key}: {path} cannot be read: {error.strerror}; give it to the user the node runs as"
        raise SettingsError(msg) from None


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _not_after(path: Path) -> datetime | None:
    """Return the end of validity of the first certificate of a PEM file, None where it cannot be read."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError, IndexError):
        return None


class _PassphraseNeeded(Exception):
    """OpenSSL asks for the passphrase of a key."""


def _refuse_passphrase() -> str:
    raise _PassphraseNeeded

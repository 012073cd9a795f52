"""TLS of the pages: the certificate and key that the settings name."""

import ssl
from functools import partial
from pathlib import Path

from config.certificates import RenewingContext, load_key_pair
from config.console_settings import ConsoleSettings


def make_context(settings: ConsoleSettings) -> ssl.SSLContext | None:
    """Return the TLS context (1.2 or newer), or None where the settings name no certificate.

    Each handshake is done with the certificate as its files have it at that moment.

    Raises
    ------
    SettingsError
        The files cannot be read, are no PEM, do not belong together, or the key needs a passphrase.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return None
    contexts = RenewingContext((certificate, key), partial(_load, certificate, key))

    def renew(handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        handshake.context = contexts.current()

    context = contexts.current()
    context.sni_callback = renew  # OpenSSL calls it for every ClientHello, whether it names a server or not
    return context


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_key_pair(context, certificate, key, "console.tls_")
    return context

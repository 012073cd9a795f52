"""TLS of the pages: the certificate and key that the settings name."""

import ssl

from config.errors import SettingsError
from config.settings import ConsoleSettings


def make_context(settings: ConsoleSettings) -> ssl.SSLContext | None:
    """Return the TLS context (1.2 or newer), or None where the settings name no certificate.

    Raises
    ------
    SettingsError
        The files cannot be read, are no PEM, do not belong together, or the key needs a passphrase.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except _PassphraseNeeded:
        msg = f"console.tls_key: {key} needs a passphrase; write it without one, readable by the node's user alone"
        raise SettingsError(msg) from None
    except ssl.SSLError as error:
        what = (
            f"{key} is not the key of {certificate}"
            if error.reason == "KEY_VALUES_MISMATCH"
            else f"{certificate} or {key} is no certificate or key in PEM format"
        )
        msg = f"console.tls_certificate, console.tls_key: {what}"
        raise SettingsError(msg) from None
    except OSError as error:
        msg = (
            f"console.tls_certificate, console.tls_key: {certificate} or {key} cannot be read: {error.strerror}; "
            "give both to the user the node runs as"
        )
        raise SettingsError(msg) from None
    return context


class _PassphraseNeeded(Exception):
    """OpenSSL asks for the passphrase of a key."""


def _refuse_passphrase() -> str:
    raise _PassphraseNeeded

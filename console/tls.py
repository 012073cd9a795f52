"""TLS of the pages: the certificate and key that the settings name."""

import ssl

from config.certificates import load_key_pair
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
    load_key_pair(context, certificate, key, "console.tls_")
    return context

"""The names in a peer's certificate, by which ``[[peers]]`` are bound to it (RFC 5280 4.1.2.6, 4.2.1.6)."""

from cryptography import x509
from cryptography.x509.oid import NameOID


def certificate_names(certificate: bytes) -> frozenset[str]:
    """Return the names that a certificate in DER stands for, normalised.

    They are its subject as RFC 4514 writes it, the subject's common names, and its alternative names (DNS, address,
    e-mail, URI, directory). What cannot be parsed has no names.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        names = [parsed.subject.rfc4514_string()]
        plain = [str(entry.value) for entry in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        for extension in parsed.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                for entry in extension.value:
                    if isinstance(entry, x509.DirectoryName):
                        names.append(entry.value.rfc4514_string())
                    elif not isinstance(entry, x509.OtherName | x509.RegisteredID):
                        plain.append(str(entry.value))
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return frozenset()
    names += [name for name in plain if "=" not in name]  # none may pass for a subject
    return frozenset(normalised(name) for name in names if name)


def normalised(name: str) -> str:
    """Return a name as it is compared: without regard to case and surrounding space."""
    return name.strip().lower()

"""Identifiers that follow from what they name: the same parts give the same identifier, on every rebuild and resend."""

import base64
import hashlib
import uuid
from collections.abc import Iterable

CONTROL_ID_LENGTH = 20
"""Characters of MSH-10 (HL7 2.5.1, chapter 2.15.9.10)."""
_SEPARATOR = "\x1f"


def derived_uid(*parts: str) -> str:
    """Return the UID that belongs to ``parts``: ``2.25.`` and a name-based UUID as a number (PS3.5 B.2).

    At most 44 characters. The UUID is laid out as version 8 (RFC 9562: custom, here the front of a SHA-256).
    """
    octets = bytearray(_digest(parts)[:16])
    octets[6] = (octets[6] & 0x0F) | 0x80
    octets[8] = (octets[8] & 0x3F) | 0x80
    return f"2.25.{uuid.UUID(bytes=bytes(octets)).int}"


def derived_control_id(*parts: str) -> str:
    """Return the message control ID (MSH-10) that belongs to ``parts``: 20 characters, letters A–Z and digits 2–7."""
    return base64.b32encode(_digest(parts)).decode("ascii")[:CONTROL_ID_LENGTH]


def _digest(parts: Iterable[str]) -> bytes:
    return hashlib.sha256(_SEPARATOR.join(parts).encode("utf-8")).digest()

"""Identities that are derived, never drawn: the same analysis gives the same UIDs and control IDs on every rebuild.

A crash between building a document and recording it must not leave two of it at a destination. So every identity
is a function of what the document says: the source instances, the model, the kind of document and the revision.
"""

import base64
import hashlib
import uuid
from collections.abc import Iterable

from inference.findings import ModelIdentity

CONTROL_ID_LENGTH = 20
_SEPARATOR = "\x1f"


def derived_uid(*parts: str) -> str:
    """Return the UID that belongs to ``parts``: ``2.25.`` and a name-based UUID as a number (PS3.5 B.2).

    At most 44 characters. The UUID is laid out as version 8 (RFC 9562: custom, here the front of a SHA-256).
    """
    octets = bytearray(_digest(parts)[:16])
    octets[6] = (octets[6] & 0x0F) | 0x80
    octets[8] = (octets[8] & 0x3F) | 0x80
    return f"2.25.{uuid.UUID(bytes=bytes(octets)).int}"


def document_uid(kind: str, source_uids: Iterable[str], model: ModelIdentity, revision: int, *more: str) -> str:
    """Return the UID of one document, or of its series, of one analysis.

    Parameters
    ----------
    kind
        What is named, such as ``"sr"`` or ``"sr-series"``.
    source_uids
        SOP Instance UIDs of every instance of the analysed revision, in any order.
    model
        Which model spoke.
    revision
        The study's revision, counted from 1.
    more
        What else tells two documents of one kind apart, such as the pictured instance.
    """
    return derived_uid("document", kind, *_model(model), str(revision), *sorted(source_uids), "", *more)


def capture_uid(source_uids: Iterable[str], model: ModelIdentity, revision: int, sop_instance_uid: str) -> str:
    """Return the SOP Instance UID of the secondary capture of one image."""
    return document_uid("sc", source_uids, model, revision, sop_instance_uid)


def device_uid(model: ModelIdentity) -> str:
    """Return the Device UID (0018,1002) of a model: a new one for each name, version and content."""
    return derived_uid("device", *_model(model))


def tracking_uid(model: ModelIdentity, sop_instance_uid: str, label: str, position: int) -> str:
    """Return the Tracking Unique Identifier (112040, DCM) of one measurement group, the same in every revision.

    ``position`` is 0 for the finding itself and counts its regions from 1.
    """
    return derived_uid("tracking", *_model(model), sop_instance_uid, label, str(position))


def control_id(
    source_uids: Iterable[str], model: ModelIdentity, revision: int, destination: str, study_uid: str
) -> str:
    """Return MSH-10 of the message to one destination: 20 characters, letters A–Z and digits 2–7."""
    parts = ("message", *_model(model), str(revision), destination, study_uid, *sorted(source_uids))
    return base64.b32encode(_digest(parts)).decode("ascii")[:CONTROL_ID_LENGTH]


def _model(model: ModelIdentity) -> tuple[str, str, str]:
    return model.name, model.version, model.digest


def _digest(parts: Iterable[str]) -> bytes:
    return hashlib.sha256(_SEPARATOR.join(parts).encode("utf-8")).digest()

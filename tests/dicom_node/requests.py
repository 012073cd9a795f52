"""Association requests byte by byte, for what no toolkit would send."""

import struct

from dicom_node.upper_layer.association_request import APPLICATION_CONTEXT
from dicom_node.upper_layer.pdus import ASSOCIATE_RQ, control_pdu

COMPUTED_RADIOGRAPHY = b"1.2.840.10008.5.1.4.1.1.1"
EXPLICIT = b"1.2.840.10008.1.2.1"


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def context(context_id: int, abstract_syntax: bytes, *transfer_syntaxes: bytes) -> bytes:
    syntaxes = b"".join(item(0x40, syntax) for syntax in transfer_syntaxes)
    return item(0x20, bytes((context_id, 0, 0, 0)) + item(0x30, abstract_syntax) + syntaxes)


def body(
    *items: bytes, called: bytes = b"CXRNODE", calling: bytes = b"MODALITY", version: int = 1,
    application_context: bytes | None = APPLICATION_CONTEXT, max_pdu_bytes: int = 16384,
) -> bytes:  # fmt: skip
    fixed = struct.pack(">HH16s16s32s", version, 0, called.ljust(16), calling.ljust(16), b"")
    first = item(0x10, application_context) if application_context is not None else b""
    return fixed + first + b"".join(items) + item(0x50, item(0x51, max_pdu_bytes.to_bytes(4, "big")))


def request(*items: bytes, **fixed: object) -> bytes:
    """Return an A-ASSOCIATE-RQ, by default with one context that is accepted."""
    return control_pdu(ASSOCIATE_RQ, body(*items or (context(1, COMPUTED_RADIOGRAPHY, EXPLICIT),), **fixed))  # type: ignore[arg-type]

"""Association requests byte by byte, for what no toolkit would send."""

import socket
import struct
from pathlib import Path

from dicom_node.format.header import read_file_meta
from dicom_node.upper_layer import dimse
from dicom_node.upper_layer.association_request import APPLICATION_CONTEXT
from dicom_node.upper_layer.pdus import ASSOCIATE_AC, ASSOCIATE_RQ, command_pdu, control_pdu, data_pdu_header

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


class RawAssociation:
    """An association that may lie: one context, Computed Radiography in Explicit VR Little Endian."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._connection.sendall(request())
        assert self._read()[0] == ASSOCIATE_AC

    def __enter__(self) -> "RawAssociation":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def store(self, file: Path, *, sop_class_uid: bytes = COMPUTED_RADIOGRAPHY, instance_uid: bytes) -> int:
        """Send a file's data set under any UIDs, and return the status."""
        encoded = file.read_bytes()
        data = encoded[read_file_meta(encoded).end :]
        command = dimse.encode_command(
            {dimse.AFFECTED_SOP_CLASS: sop_class_uid, dimse.COMMAND_FIELD: dimse.C_STORE_RQ, dimse.MESSAGE_ID: 1,
             dimse.PRIORITY: 0, dimse.DATA_SET_TYPE: 1, dimse.AFFECTED_SOP_INSTANCE: instance_uid}
        )  # fmt: skip
        header = data_pdu_header(1, len(data), is_command=False, is_last=True)
        self._connection.sendall(command_pdu(1, command) + header + data)
        return dimse.number(dimse.decode_command(self._read()[12:]), dimse.STATUS)

    def _read(self) -> bytes:
        header = self._connection.recv(6, socket.MSG_WAITALL)
        return header + self._connection.recv(int.from_bytes(header[2:], "big"), socket.MSG_WAITALL)

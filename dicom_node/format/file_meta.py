"""Preamble and file meta information of a stored instance (PS3.10 7.1)."""

from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

PREAMBLE = bytes(128) + b"DICM"


def file_meta(sop_class_uid: str, instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return the bytes that precede a data set on disk: the same for the same instance, whoever sent it."""
    elements = (
        b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"
        + _short(0x0002, "UI", sop_class_uid, b"\x00")
        + _short(0x0003, "UI", instance_uid, b"\x00")
        + _short(0x0010, "UI", transfer_syntax_uid, b"\x00")
        + _short(0x0012, "UI", IMPLEMENTATION_CLASS_UID, b"\x00")
        + _short(0x0013, "SH", IMPLEMENTATION_VERSION_NAME, b" ")
    )
    return PREAMBLE + b"\x02\x00\x00\x00UL\x04\x00" + len(elements).to_bytes(4, "little") + elements


def _short(element: int, vr: str, value: str, padding: bytes) -> bytes:
    """Encode an element of group 2, Explicit VR Little Endian, with a two-byte length."""
    raw = value.encode("ascii")
    raw += padding * (len(raw) % 2)
    return b"\x02\x00" + element.to_bytes(2, "little") + vr.encode("ascii") + len(raw).to_bytes(2, "little") + raw

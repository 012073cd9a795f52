"""The transfer syntaxes this installation can really decode, found out by decoding (PS3.5 Annex A).

What is accepted from a peer is exactly what the analysis will be able to read. A decoder that is merely installed
is not believed: at start-up each one has to decode a tiny known frame (:mod:`dicom_node.format.probe_frames`).
"""

import io
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.uid import UID, RLELossless

from dicom_node.format.probe_frames import SIDE, probe_frame, probe_value

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

_DECODERS = {
    "1.2.840.10008.1.2.4.70": "jpeg8_decode",
    "1.2.840.10008.1.2.4.57": "jpeg8_decode",
    "1.2.840.10008.1.2.4.80": "jpegls_decode",
    "1.2.840.10008.1.2.4.90": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.201": "htj2k_decode",
    "1.2.840.10008.1.2.4.202": "htj2k_decode",
    "1.2.840.10008.1.2.5": "dicomrle_decode",
    "1.2.840.10008.1.2.4.91": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.81": "jpegls_decode",
    "1.2.840.10008.1.2.4.203": "htj2k_decode",
    "1.2.840.10008.1.2.4.50": "jpeg8_decode",
    "1.2.840.10008.1.2.4.51": "jpeg8_decode",
}
"""The function of imagecodecs that decodes each compressed transfer syntax, as the analysis does."""
CANDIDATES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, *_DECODERS, DEFLATED, EXPLICIT_BIG)
"""In the order of acceptance: the acceptor's order decides where a peer offers several; lossless before lossy."""

_CURE = "reinstall imagecodecs"
_TOLERANCE = 1 / 32
"""How far a lossy frame may lie from the truth, as a fraction of the full scale."""


@dataclass(frozen=True, slots=True)
class DecoderStatus:
    """What is known about one transfer syntax here; ``decoder`` is the library that passed, empty when none did."""

    uid: str
    name: str
    decoder: str
    available: bool
    cure: str = ""


@cache
def decoder_report() -> tuple[DecoderStatus, ...]:
    """Try every candidate transfer syntax and return what came of it, in the order of acceptance."""
    return tuple(_try(uid) for uid in CANDIDATES)


@cache
def decodable_syntaxes() -> tuple[str, ...]:
    """Return the UIDs of the transfer syntaxes to accept, Explicit VR Little Endian first."""
    return tuple(status.uid for status in decoder_report() if status.available)


def _try(uid: str) -> DecoderStatus:
    name = UID(uid).name
    if uid in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG):
        works = _attempt(lambda: _reads_native(uid))
        return DecoderStatus(uid, name, "pydicom" if works else "", works, "" if works else "reinstall pydicom")
    if _attempt(lambda: _decodes(uid)):
        return DecoderStatus(uid, name, "imagecodecs", available=True)
    return DecoderStatus(uid, name, "", available=False, cure=f"imagecodecs failed on a known frame: {_CURE}")


def _attempt(probe: Callable[[], bool]) -> bool:
    """Run a probe: whatever a third-party decoder raises means that it cannot be relied on."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return probe()
    except Exception:  # noqa: BLE001 - decoders raise anything
        return False


def _decodes(uid: str) -> bool:
    frame = probe_frame(uid)
    if frame is None:
        return False
    decoder: Any = getattr(imagecodecs, _DECODERS[uid])
    if uid == RLELossless:
        kind = np.dtype(f"<u{1 if frame.bits_stored <= 8 else 2}")
        decoded = np.frombuffer(decoder(frame.codestream, kind), kind).reshape(SIDE, SIDE)
    else:
        decoded = decoder(frame.codestream)
    truth = np.array([[probe_value(row, column, frame.bits_stored) for column in range(SIDE)] for row in range(SIDE)])
    distance = float(np.abs(decoded.astype(np.int64) - truth).max())
    return decoded.shape == truth.shape and distance <= _TOLERANCE * (1 << frame.bits_stored)


def _reads_native(uid: str) -> bool:
    """Read a data set of one element, PatientID, in one of the four native encodings."""
    element = b"\x10\x00\x20\x00" + (b"\x04\x00\x00\x00" if uid == IMPLICIT_LITTLE else b"LO\x04\x00") + b"WELL"
    if uid == EXPLICIT_BIG:
        element = b"\x00\x10\x00\x20LO\x00\x04WELL"
    if uid == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        element = deflater.compress(element) + deflater.flush()
    value = uid.encode() + b"\x00" * (len(uid) % 2)
    meta = b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    length = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    return bool(dcmread(io.BytesIO(bytes(128) + b"DICM" + length + meta + element)).PatientID == "WELL")

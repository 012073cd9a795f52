"""The transfer syntaxes this installation can really decode, found out by decoding (PS3.5 Annex A).

What is accepted from a peer is exactly what the analysis will be able to read. A decoder that is merely installed
is not believed: at start-up each one has to decode a tiny known frame (:mod:`dicom_node.probe_frames`).
"""

import io
import logging
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dicom_node.probe_frames import SIDE, probe_frame, probe_value

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

_COMPRESSED = (
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
)
CANDIDATES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, *_COMPRESSED, DEFLATED, EXPLICIT_BIG)
"""In the order of acceptance: the acceptor's order decides where a peer offers several; lossless before lossy."""

_CURES = {
    "1.2.840.10008.1.2.4.51": "12 bits need pylibjpeg-libjpeg, which is under the GPL and so yours to install",
}
_TOLERANCE = 1 / 32
"""How far a lossy frame may lie from the truth, as a fraction of the full scale."""


@dataclass(frozen=True, slots=True)
class DecoderStatus:
    """What is known about one transfer syntax here; ``decoder`` is the plug-in that passed, empty when none did."""

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
    plugins = get_decoder(UID(uid)).available_plugins
    for plugin in plugins:
        if _attempt(lambda chosen=plugin: _decodes(uid, chosen)):  # type: ignore[misc]
            return DecoderStatus(uid, name, plugin, available=True)
    tried = f"{', '.join(plugins)} failed on a known frame" if plugins else "no decoder is installed"
    cure = _CURES.get(uid, "install or update a pydicom decoder plug-in")
    return DecoderStatus(uid, name, "", available=False, cure=f"{tried}: {cure}")


def _attempt(probe: Callable[[], bool]) -> bool:
    """Run a probe: whatever a third-party decoder raises means that it cannot be relied on."""
    decoders_log = logging.getLogger("pydicom.pixels.decoders.base")
    was_disabled, decoders_log.disabled = decoders_log.disabled, True  # it would log each failed try with a traceback
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return probe()
    except Exception:  # noqa: BLE001 - decoders raise anything
        return False
    finally:
        decoders_log.disabled = was_disabled


def _decodes(uid: str, plugin: str) -> bool:
    frame = probe_frame(uid)
    if frame is None:
        return False
    description: Any = {
        "rows": SIDE,
        "columns": SIDE,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": 8 if frame.bits_stored <= 8 else 16,
        "bits_stored": frame.bits_stored,
        "pixel_representation": 0,
        "pixel_keyword": "PixelData",
    }
    decoded, _ = get_decoder(UID(uid)).as_array(
        encapsulate([frame.codestream]),
        decoding_plugin=plugin,
        **description,
    )
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

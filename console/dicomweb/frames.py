"""Frames of an image (PS3.18 10.4.1.1.6): as they are stored, or decoded to Explicit VR Little Endian."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian
from starlette.exceptions import HTTPException

from config.errors import UndecodablePixels
from console.dicomweb.accept import MediaType, matches

OCTETS = "application/octet-stream"
_JPEG, _JLS, _J2K, _JPH, _RLE = "image/jpeg", "image/jls", "image/jp2", "image/jphc", "image/dicom-rle"
MEDIA_TYPES: Mapping[str, str] = {
    "1.2.840.10008.1.2.4.50": _JPEG, "1.2.840.10008.1.2.4.51": _JPEG, "1.2.840.10008.1.2.4.57": _JPEG,
    "1.2.840.10008.1.2.4.70": _JPEG, "1.2.840.10008.1.2.4.80": _JLS, "1.2.840.10008.1.2.4.81": _JLS,
    "1.2.840.10008.1.2.4.90": _J2K, "1.2.840.10008.1.2.4.91": _J2K, "1.2.840.10008.1.2.4.201": _JPH,
    "1.2.840.10008.1.2.4.202": _JPH, "1.2.840.10008.1.2.4.203": _JPH, "1.2.840.10008.1.2.5": _RLE,
}  # fmt: skip
"""The media type of a codestream by its transfer syntax (PS3.18 8.7.3.3.2)."""


@dataclass(frozen=True, slots=True)
class Form:
    """How frames are answered."""

    is_stored: bool
    """As they are stored; otherwise decoded."""
    media_type: str
    transfer_syntax: str


def choose_form(asked: Sequence[MediaType], stored_syntax: str) -> Form:
    """Return how the frames of an image are answered; 406 where the client takes neither form.

    Pixel data that are not compressed have one form only. Of compressed ones the codestream is answered to who names
    its transfer syntax or its media type, or takes any; who asks for octets and names none gets decoded pixels.
    """
    native = Form(False, OCTETS, str(ExplicitVRLittleEndian))
    media_type = MEDIA_TYPES.get(stored_syntax)
    for entry in asked:
        takes_octets = matches(entry.content, OCTETS)
        if media_type is None:
            if takes_octets and entry.transfer_syntax in {"", "*", native.transfer_syntax}:
                return native
            continue
        named = entry.transfer_syntax in {"*", stored_syntax}
        by_type = entry.content != "*/*" and matches(entry.content, media_type) and entry.transfer_syntax == ""
        if by_type or (named and (takes_octets or matches(entry.content, media_type))):
            return Form(True, media_type, stored_syntax)
        if takes_octets and entry.transfer_syntax in {"", native.transfer_syntax}:
            return native
    raise HTTPException(
        406, "Frames are answered as multipart/related in the stored transfer syntax, or decoded as octets."
    )


def read_frame(dataset: Dataset, number: int, form: Form, max_pixels: int) -> bytes:
    """Return one frame, counted from 1.

    Raises 404 where there is no such frame, 406 where it cannot be answered in this form, :class:`UndecodablePixels`
    where its pixel data are broken.
    """
    count = max(1, int(dataset.get("NumberOfFrames") or 1))
    if "PixelData" not in dataset or not 1 <= number <= count:
        raise HTTPException(404, "The instance has no such frame.")
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "")))
    if syntax.is_encapsulated:
        if form.is_stored:
            return _codestream(dataset.PixelData, number, count)
        return _decoded(dataset, max_pixels)
    return _native(dataset, number, count, swapped=syntax == ExplicitVRBigEndian)


def _codestream(encapsulated: bytes, number: int, count: int) -> bytes:
    try:
        return bytes(get_frame(encapsulated, number - 1, number_of_frames=count))
    except Exception as error:
        msg = "the pixel data are not encapsulated as PS3.5 A.4 asks"
        raise UndecodablePixels(msg) from error


def _decoded(dataset: Dataset, max_pixels: int) -> bytes:
    from inference.pixels.stored import native_frame  # which brings the decoders

    try:
        return native_frame(dataset, max_pixels)
    except UndecodablePixels as error:
        raise HTTPException(406, f"It cannot be answered decoded: {error}.") from None


def _native(dataset: Dataset, number: int, count: int, *, swapped: bool) -> bytes:
    bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel") or 1)
    length = bits * int(dataset.BitsAllocated) // 8
    if str(dataset.get("PhotometricInterpretation", "")) == "YBR_FULL_422":
        length = length * 2 // 3
    data: bytes = dataset.PixelData
    frame = data[length * (number - 1) : length * number] if count > 1 else data[:length]
    if swapped and dataset["PixelData"].VR == "OW":
        frame = np.frombuffer(frame, ">u2", len(frame) // 2).astype("<u2").tobytes()
    return frame

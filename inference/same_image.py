"""Whether two data sets hold the same image in two transfer syntaxes.

They do where every standard attribute agrees that describes the image, its patient or its study, and every stored value
of the pixels. After lossy compression pixels agree only nearly.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from config.errors import UndecodablePixels, UnreadableInstance
from inference.attributes import text_of
from inference.pixels.decode import decode_samples, read_codestream
from inference.pixels.grayscale import all_stored_values, read_grayscale
from inference.pixels.grey import grey_levels
from inference.pixels.layout import check_size, read_layout, transfer_syntax
from inference.pixels.read import parse_dataset
from tracking.studies.comparisons import Likeness

_LOSSY = {
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.203",
}  # fmt: skip
_CHANGED_BY_CODING = {
    Tag(keyword)
    for keyword in (
        "SpecificCharacterSet", "InstanceCreationDate", "InstanceCreationTime", "InstanceCreatorUID",
        "ContributingEquipmentSequence", "DerivationDescription", "DerivationCodeSequence", "SourceImageSequence",
        "PlanarConfiguration", "SmallestImagePixelValue", "LargestImagePixelValue", "LossyImageCompression",
        "LossyImageCompressionRatio", "LossyImageCompressionMethod", "PixelData", "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths", "EncapsulatedPixelDataValueTotalLength", "DataSetTrailingPadding",
        "MACParametersSequence", "DigitalSignaturesSequence",
    )
}  # fmt: skip
"""Attributes that a transfer syntax or the system that changes it has a right to change (PS3.3 C.7.6.1, C.12.1)."""
_IMAGE_TYPE, _PHOTOMETRIC = Tag("ImageType"), Tag("PhotometricInterpretation")
_MOST_LOSS = 0.02
"""Mean difference of stored values, as a fraction of their range, that lossy compression may make. On 24 radiographs
JPEG of quality 30 made at most 0.008 and of quality 10 at most 0.016; no two of them differed by less than 0.079."""


def compare(standing: bytes, other: bytes, max_pixels: int) -> Likeness:
    """Return whether the second of two encoded DICOM files holds the image of the first.

    ``max_pixels`` bounds what is decoded. What cannot be read, decoded or compared is another image.
    """
    try:
        first, second = parse_dataset(standing), parse_dataset(other)
        if list(_content(first)) != list(_content(second)):
            return Likeness.OTHER
        ours, theirs = _stored_values(first, max_pixels), _stored_values(second, max_pixels)
    except (UnreadableInstance, UndecodablePixels):
        return Likeness.OTHER
    if ours.shape != theirs.shape:
        return Likeness.OTHER
    if np.array_equal(ours, theirs):
        return Likeness.SAME
    return Likeness.LOSSY if _is_lossy(second) and _nearly(ours, theirs) else Likeness.OTHER


def _content(dataset: Dataset) -> Iterator[tuple[BaseTag, Any]]:
    """Yield what must agree: standard elements that are not empty, in the order of their tags.

    Raises :class:`UnreadableInstance` for a value that cannot be read.
    """
    try:
        # Without it a value of VR "US or SS" read from Implicit VR is bytes.
        correct_ambiguous_vr(dataset, is_little_endian=dataset.original_encoding[1] is not False)
        for element in dataset:
            tag = element.tag
            if tag in _CHANGED_BY_CODING or tag.is_private or tag.element == 0:
                continue
            value = _plain(element)
            if tag == _IMAGE_TYPE:
                value = value[1:]  # lossy compression makes an ORIGINAL image DERIVED
            if value and not (tag == _PHOTOMETRIC and not value[0].startswith("MONOCHROME")):
                yield tag, value
    except Exception as error:  # pydicom converts on access and raises whatever the bytes lead it to
        msg = "a value of the data set cannot be read"
        raise UnreadableInstance(msg) from error


def _plain(element: DataElement) -> tuple[Any, ...]:
    """Return the values of an element in a form that two encodings share."""
    if element.VR == "SQ":
        return tuple(tuple(_content(item)) for item in element.value)
    if element.value is None or element.is_empty:
        return ()
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    if element.VR in {"DS", "FL", "FD"}:
        return tuple(float(value) for value in values)
    return tuple(
        value.rstrip(b"\0") if isinstance(value, bytes) else str(value).strip(" \0") for value in values
    )  # fmt: skip


def _stored_values(dataset: Dataset, max_pixels: int) -> NDArray[Any]:
    """Return the stored values of the only frame; of an image in colour its grey levels, 0 to 255."""
    check_size(dataset, max_pixels)
    stream = read_codestream(dataset)
    layout = read_layout(dataset, None if stream is None else stream.header)
    samples = decode_samples(dataset, layout, stream)
    if not layout.monochrome:
        return grey_levels(dataset, layout, samples)
    bits = 8 * samples.array.dtype.itemsize
    patterns = np.ascontiguousarray(samples.array).view(np.uint8 if bits == 8 else np.uint16)
    table = all_stored_values(read_grayscale(dataset, layout, samples.precision), bits)
    return np.asarray(table.astype(np.int32)[patterns])


def _is_lossy(dataset: Dataset) -> bool:
    return UID(transfer_syntax(dataset)) in _LOSSY or text_of(dataset, "LossyImageCompression") == "01"


def _nearly(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Tell whether values differ by no more than lossy compression makes them."""
    spread = float(np.ptp(first)) or 1.0
    return float(np.mean(np.abs(first.astype(np.float32) - second))) <= _MOST_LOSS * spread

"""From stored values to what a reader is meant to see, as one lookup table (PS3.3 C.11, PS3.4 N.2).

Modality LUT, VOI LUT and presentation LUT depend on a stored value alone, so together they are a table over
all values a pixel can hold: 65,536 entries at most, worked out in double precision, exact for every pixel.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from inference.attributes import integer_of, items_of, number_of, numbers_of, text_of, values_of
from inference.decode import transfer_syntax

Values = NDArray[np.float64]

_TAIL_PERCENT = 0.5
"""How much of either end the automatic window gives up, against markers, borders and hot pixels."""
_SATURATED = 0.98
"""A stored window that leaves more of the picture than this plain black or white is not believed."""


class VoiFunction(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """A window on modality values (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: VoiFunction = VoiFunction.LINEAR

    def apply(self, values: Values) -> Values:
        """Return 0 to 1 for each modality value."""
        if self.function is VoiFunction.SIGMOID:
            exponent = np.clip(-4.0 * (values - self.center) / self.width, -60.0, 60.0)
            return np.asarray(1.0 / (1.0 + np.exp(exponent)))
        if self.function is VoiFunction.LINEAR_EXACT:
            return np.clip((values - self.center) / self.width + 0.5, 0.0, 1.0)
        if self.width <= 1.0:
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """A modality or VOI LUT (PS3.3 C.11.1.1, C.11.2.1.1): values outside it take its nearest end."""

    first: int
    bits: int
    entries: Values

    def apply(self, values: Values) -> Values:
        """Return the entry for each value."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return np.asarray(self.entries[index])


@dataclass(frozen=True, slots=True, eq=False)
class Grayscale:
    """All that a data set says about how its stored values are to be shown."""

    bits_stored: int
    high_bit: int
    signed: bool
    inverted: bool
    """The smallest value is to be shown white."""
    slope: float = 1.0
    intercept: float = 0.0
    modality: LookupTable | None = None
    voi: LookupTable | None = None
    window: Window | None = None
    padding: tuple[int, int] | None = None
    """The stored values, both included, that are no part of the picture."""


def read_grayscale(dataset: Dataset) -> Grayscale:
    """Collect the attributes; what is empty or makes no sense counts as absent."""
    bits_allocated = integer_of(dataset, "BitsAllocated", 16)
    bits_stored = integer_of(dataset, "BitsStored", bits_allocated)
    if not 1 <= bits_stored <= bits_allocated:
        bits_stored = bits_allocated
    high_bit = integer_of(dataset, "HighBit", bits_stored - 1)
    if not bits_stored - 1 <= high_bit < bits_allocated:
        high_bit = bits_stored - 1
    signed = integer_of(dataset, "PixelRepresentation", 0) == 1
    return Grayscale(
        bits_stored=bits_stored,
        high_bit=high_bit,
        signed=signed,
        inverted=_is_inverted(dataset),
        slope=number_of(dataset, "RescaleSlope", 1.0) or 1.0,
        intercept=number_of(dataset, "RescaleIntercept", 0.0),
        modality=_read_table(dataset, "ModalityLUTSequence", signed=signed),
        voi=_read_table(dataset, "VOILUTSequence", signed=signed),
        window=_read_window(dataset),
        padding=_read_padding(dataset, signed=signed),
    )


def _is_inverted(dataset: Dataset) -> bool:
    """Either attribute alone asks for one inversion, both together still for one.

    PS3.3 C.8.11.3.1.2 lets MONOCHROME1 go only with INVERSE and MONOCHROME2 only with IDENTITY. Where a device
    writes MONOCHROME1 with IDENTITY, its pictures are those of MONOCHROME1.
    """
    monochrome1 = text_of(dataset, "PhotometricInterpretation").upper() == "MONOCHROME1"
    return monochrome1 or text_of(dataset, "PresentationLUTShape").upper() == "INVERSE"


def _read_window(dataset: Dataset) -> Window | None:
    centers, widths = numbers_of(dataset, "WindowCenter"), numbers_of(dataset, "WindowWidth")
    if not centers or not widths:
        return None
    name = text_of(dataset, "VOILUTFunction").upper()
    function = VoiFunction(name) if name in VoiFunction.__members__ else VoiFunction.LINEAR
    least = 1.0 if function is VoiFunction.LINEAR else 1e-6
    return Window(centers[0], widths[0], function) if widths[0] >= least else None


def _read_padding(dataset: Dataset, *, signed: bool) -> tuple[int, int] | None:
    values = numbers_of(dataset, "PixelPaddingValue")
    if not values:
        return None
    ends = [int(values[0]), integer_of(dataset, "PixelPaddingRangeLimit", int(values[0]))]
    if signed:  # an implicit VR reader may have taken US for SS
        ends = [end - 65536 if end > 32767 else end for end in ends]
    else:
        ends = [end + 65536 if end < 0 else end for end in ends]
    return min(ends), max(ends)


def _read_table(dataset: Dataset, keyword: str, *, signed: bool) -> LookupTable | None:
    """Return the first item of a LUT sequence, or None where it is absent or inconsistent."""
    for item in items_of(dataset, keyword)[:1]:
        descriptor = [int(number) for number in numbers_of(item, "LUTDescriptor")]
        if len(descriptor) != 3:
            continue
        count = descriptor[0] % 65536 or 65536
        first = descriptor[1] - 65536 if signed and descriptor[1] > 32767 else descriptor[1]
        big_endian = transfer_syntax(dataset) == ExplicitVRBigEndian
        entries = _lut_entries(values_of(item, "LUTData"), count, big_endian=big_endian)
        if entries is None or not 1 <= descriptor[2] <= 16:
            continue
        bits = max(descriptor[2], int(entries.max()).bit_length())
        return LookupTable(first, bits, entries)
    return None


def _lut_entries(data: tuple[object, ...], count: int, *, big_endian: bool) -> Values | None:
    """Unpack LUT Data (0028,3006): numbers, or bytes of one or two to an entry, in words of the file's byte order."""
    if len(data) == 1 and isinstance(data[0], bytes):
        raw = data[0]
        if big_endian:
            raw = np.frombuffer(raw, ">u2", len(raw) // 2).astype("<u2").tobytes()
        kind: Any = "<u2" if len(raw) >= 2 * count else "u1"
        entries = np.frombuffer(raw, kind, min(count, len(raw) // np.dtype(kind).itemsize))
    else:
        try:
            entries = np.asarray(data, np.int64) & 0xFFFF
        except (ValueError, TypeError, OverflowError):
            return None
    return entries[:count].astype(np.float64) if len(entries) >= count else None


def all_stored_values(gray: Grayscale, bits_allocated: int, *, masked: bool) -> NDArray[np.int32]:
    """Return the stored value that each bit pattern of a pixel stands for.

    ``masked`` for native pixel data, whose bits beyond Bits Stored mean something else (old overlays); a
    decoder has already dealt with them.
    """
    patterns = np.arange(1 << bits_allocated, dtype=np.int32)
    bits = gray.bits_stored if masked else bits_allocated
    if masked:
        patterns = (patterns >> (gray.high_bit + 1 - bits)) & ((1 << bits) - 1)
    if gray.signed:
        patterns = np.where(patterns >= 1 << (bits - 1), patterns - (1 << bits), patterns)
    return patterns


def display_table(gray: Grayscale, stored: NDArray[np.int32], sample: NDArray[Any]) -> NDArray[np.float32]:
    """Return what to show for each entry of ``stored``: float32, 0 black to 1 white, bone bright.

    ``sample`` holds indices into ``stored`` of some of the picture's pixels, enough to judge a window by and to
    find one where the data set has none that works.
    """
    modality = _to_modality(gray, stored.astype(np.float64))
    padded = np.zeros(len(stored), np.bool_)
    if gray.padding is not None:
        padded = (stored >= gray.padding[0]) & (stored <= gray.padding[1])
    inside = sample[~padded[sample]]
    shown = _to_display(gray, modality)
    if shown is None or _saturated(shown[inside]):
        shown = _automatic(gray, modality, modality[inside])
    if gray.inverted:
        shown = 1.0 - shown
    shown[padded] = 0.0
    return shown.astype(np.float32)


def _to_modality(gray: Grayscale, stored: Values) -> Values:
    if gray.modality is not None:
        return gray.modality.apply(stored)
    return stored * gray.slope + gray.intercept


def _to_display(gray: Grayscale, modality: Values) -> Values | None:
    """Apply the stored VOI transformation: the LUT before the window; None when there is neither."""
    if gray.voi is not None:
        table = gray.voi
        if table.first > modality.max():  # a signed first value that was read as an unsigned one
            table = replace(table, first=table.first - 65536)
        return table.apply(modality) / float((1 << table.bits) - 1)
    if gray.window is not None:
        return gray.window.apply(modality)
    return None


def _saturated(shown: Values) -> bool:
    return bool(shown.size and np.mean((shown <= 0.001) | (shown >= 0.999)) > _SATURATED)


def _automatic(gray: Grayscale, modality: Values, inside: Values) -> Values:
    """Show 8-bit pictures as they are, for they were made to be shown; stretch deeper ones between percentiles."""
    if gray.bits_stored <= 8 and len(modality) <= 256:
        low, high = float(modality.min()), float(modality.max())
    elif inside.size:
        low, high = (float(end) for end in np.percentile(inside, [_TAIL_PERCENT, 100.0 - _TAIL_PERCENT]))
    else:
        low, high = 0.0, 0.0
    if high <= low:
        return np.full(modality.shape, 0.5)
    return np.clip((modality - low) / (high - low), 0.0, 1.0)

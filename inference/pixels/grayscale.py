"""From stored values to what a reader is meant to see, as one lookup table (PS3.3 C.11, PS3.4 N.2).

Modality LUT, VOI LUT and presentation LUT depend on a stored value alone, so together they are a table over
all values a pixel can hold: 65,536 entries at most, worked out in double precision, exact for every pixel.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from config.language.translation import marked
from inference.attributes import integer_of, items_of, number_of, numbers_of, text_of, values_of
from inference.findings import Remark, RemarkKind
from inference.pixels.layout import MONOCHROME1, PixelLayout, transfer_syntax
from inference.pixels.window import Values, VoiFunction, Window, automatic, middle_range, saturated, squeezed

_LEAST_SUBSTANCE = 1 / 32
"""An image whose middle 98 % of values span less of the range of Bits Stored than this is blank, not badly windowed."""
_JUDGED = 8
"""Of how many sampled pixels one is enough to judge a window by; percentiles of all take longer than the rest."""
_AUTOMATIC_WINDOW = Remark(
    RemarkKind.AUTOMATIC_WINDOW,
    marked("The stored window makes no readable image; an automatic window was used in its place"),
)
_NO_WIDTH = Remark(
    RemarkKind.AUTOMATIC_WINDOW,
    marked("The stored window's width is zero, negative or too small; an automatic window was used in its place"),
)
_ONE_IGNORED = Remark(
    RemarkKind.AUTOMATIC_WINDOW,
    marked(
        "A stored window has no usable width or makes no readable image and was ignored; another stored one was used"
    ),
)


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
    windows: tuple[Window, ...] = ()
    windows_without_width: int = 0
    """How many stored windows have no usable width, and are none of :attr:`windows`."""
    padding: tuple[int, int] | None = None
    """The stored values, both included, that are no part of the image."""


def read_grayscale(dataset: Dataset, layout: PixelLayout, precision: int) -> Grayscale:
    """Collect the attributes; what is empty or makes no sense counts as absent.

    ``precision`` is how many bits of a sample the encoding can hold. Where the data set claims higher ones, its Bits
    Stored count from the encoding's uppermost bit, as DCMTK reads JPEG.
    """
    bits_stored = min(layout.bits_stored, precision)
    windows, without_width = _read_windows(dataset)
    return Grayscale(
        bits_stored=bits_stored,
        high_bit=layout.high_bit if layout.high_bit < precision else bits_stored - 1,
        signed=layout.signed,
        inverted=_is_inverted(dataset, layout),
        slope=number_of(dataset, "RescaleSlope", 1.0) or 1.0,
        intercept=number_of(dataset, "RescaleIntercept", 0.0),
        modality=_read_table(dataset, "ModalityLUTSequence", signed=layout.signed),
        voi=_read_table(dataset, "VOILUTSequence", signed=layout.signed),
        windows=windows,
        windows_without_width=without_width,
        padding=_read_padding(dataset, signed=layout.signed),
    )


def _is_inverted(dataset: Dataset, layout: PixelLayout) -> bool:
    """Either attribute alone asks for one inversion, both together still for one.

    PS3.3 C.8.11.3.1.2 lets MONOCHROME1 go only with INVERSE and MONOCHROME2 only with IDENTITY. Where a device
    writes MONOCHROME1 with IDENTITY, its images are those of MONOCHROME1.
    """
    return layout.photometric == MONOCHROME1 or text_of(dataset, "PresentationLUTShape").upper() == "INVERSE"


def _read_windows(dataset: Dataset) -> tuple[tuple[Window, ...], int]:
    """Return the stored windows in their order, without those of no usable width, and how many those are."""
    centers, widths = numbers_of(dataset, "WindowCenter"), numbers_of(dataset, "WindowWidth")
    name = text_of(dataset, "VOILUTFunction").upper()
    function = VoiFunction(name) if name in VoiFunction.__members__ else VoiFunction.LINEAR
    least = 1.0 if function is VoiFunction.LINEAR else 1e-6
    pairs = list(zip(centers, widths, strict=False))
    windows = tuple(Window(center, width, function) for center, width in pairs if width >= least)
    return windows, len(pairs) - len(windows)


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


def all_stored_values(gray: Grayscale, bits: int) -> NDArray[np.int32]:
    """Return the stored value that each bit pattern of ``bits`` stands for (PS3.5 8.1.1).

    Bits beyond Bits Stored mean something else, such as old overlays, and do not count.
    """
    patterns = np.arange(1 << bits, dtype=np.int32)
    stored = (patterns >> (gray.high_bit + 1 - gray.bits_stored)) & ((1 << gray.bits_stored) - 1)
    if gray.signed:
        stored = np.where(stored >= 1 << (gray.bits_stored - 1), stored - (1 << gray.bits_stored), stored)
    return stored


def display_table(
    gray: Grayscale, stored: NDArray[np.int32], sample: NDArray[Any]
) -> tuple[NDArray[np.float32], tuple[Remark, ...]]:
    """Return what to show for each entry of ``stored``: float32, 0 black to 1 white, bone bright; with remarks.

    ``sample`` holds indices into ``stored`` of some of the image's pixels, enough to judge a window by and to
    find one where the data set has none that works.
    """
    modality = _to_modality(gray, stored.astype(np.float64))
    padded, inside = None, sample.reshape(-1)
    if gray.padding is not None:
        padded = (stored >= gray.padding[0]) & (stored <= gray.padding[1])
        inside = sample[~padded[sample]]
    shown, remarks = _to_display(gray, modality, stored, inside)
    if gray.inverted:
        shown = 1.0 - shown
    if padded is not None:
        shown[padded] = 0.0
    return shown.astype(np.float32), remarks


def _to_modality(gray: Grayscale, stored: Values) -> Values:
    if gray.modality is not None:
        return gray.modality.apply(stored)
    return stored * gray.slope + gray.intercept


def _to_display(
    gray: Grayscale, modality: Values, stored: NDArray[np.int32], inside: NDArray[Any]
) -> tuple[Values, tuple[Remark, ...]]:
    """Apply the first stored VOI transformation that makes an image, else an automatic window.

    Where no window makes one, as with a blank image, the first stored one stays. One remark says what was ignored.
    """
    choices = _stored_transformations(gray, modality)
    judged = inside[::_JUDGED]
    for number, shown in enumerate(choices):
        seen = shown[judged]
        if not saturated(seen) and (not squeezed(seen) or _blank(gray, stored[judged])):
            return shown, (_ONE_IGNORED,) if number or gray.windows_without_width else ()
    shown = automatic(modality, modality[inside], gray.bits_stored)
    if not choices:
        return shown, (_NO_WIDTH,) if gray.windows_without_width else ()
    if saturated(shown[judged]) or squeezed(shown[judged]):
        return choices[0], ()
    return shown, (_AUTOMATIC_WINDOW,)


def _stored_transformations(gray: Grayscale, modality: Values) -> list[Values]:
    """Return what the stored VOI LUT and windows show, the LUT first."""
    choices = [window.apply(modality) for window in gray.windows]
    if gray.voi is not None:
        table = gray.voi
        if table.first > modality.max():  # a signed first value that was read as an unsigned one
            table = replace(table, first=table.first - 65536)
        choices.insert(0, table.apply(modality) / float((1 << table.bits) - 1))
    return choices


def _blank(gray: Grayscale, values: NDArray[np.int32]) -> bool:
    return not values.size or middle_range(values) < _LEAST_SUBSTANCE * (1 << gray.bits_stored)

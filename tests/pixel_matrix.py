"""Derivatives of one synthetic image: every accepted transfer syntax with every way of storing and showing pixels.

Each is made from a few numbers, so that the matrix needs no file. What an independent program shows of them is the
truth; see ``tests/peers/test_pixel_matrix.py``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
)

from inference.codec.stream import CODECS
from tests.codestreams import LOSSY, compress

ROWS, COLUMNS = 62, 84
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
SYNTAXES = tuple(UID(uid) for uid in (*NATIVE, *CODECS))


@dataclass(frozen=True)
class Variant:
    """How pixels are stored and what the data set says about showing them."""

    name: str
    allocated: int = 16
    stored: int = 12
    shift: int = 0
    """Bits below the stored ones: High Bit is ``stored + shift - 1``."""
    signed: bool = False
    photometric: str = "MONOCHROME2"
    junk: int = 0
    """A mask of bits beyond Bits Stored that are set at random."""
    attributes: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ("+Wm",)
    """How DCMTK is asked for what the data set says: +Wi for the window, +Wl for the VOI LUT, +Wm for neither."""
    add: Callable[[Dataset], None] | None = None

    @property
    def whole(self) -> bool:
        """Say whether lossy encoders can hold it: they know no bits beyond Bits Stored."""
        return not self.junk and not self.shift

    @property
    def exact(self) -> bool:
        """Say whether grey levels are fixed by the data set, not only their order."""
        return self.options != ("+Wm",)


def _window(center: float, width: float, function: str | None = None, **more: Any) -> dict[str, Any]:
    named = {} if function is None else {"VOILUTFunction": function}
    return {"attributes": {"WindowCenter": center, "WindowWidth": width, **named, **more}, "options": ("+Wi", "1")}


def _voi_lut(dataset: Dataset) -> None:
    item = Dataset()
    count = 1 << dataset.BitsStored
    curve = (np.linspace(0, 1, count) ** 1.7 * 65535).astype("<u2")
    item.add_new("LUTDescriptor", "US", [count % 65536, 0, 16])
    item.add_new("LUTData", "OW", curve.tobytes())
    dataset.VOILUTSequence = [item]


def _modality_lut(dataset: Dataset) -> None:
    item = Dataset()
    count = 1 << dataset.BitsStored
    curve = (np.linspace(0, 1, count) ** 0.6 * 65535).astype("<u2")
    item.add_new("LUTDescriptor", "US", [count % 65536, 0, 16])
    item.ModalityLUTType = "US"
    item.add_new("LUTData", "OW", curve.tobytes())
    dataset.ModalityLUTSequence = [item]


_RESCALED = {"RescaleSlope": "0.5", "RescaleIntercept": "-1000", "RescaleType": "US"}
VARIANTS = (
    Variant("8", 8, 8),
    Variant("8-inverted", 8, 8, photometric="MONOCHROME1"),
    Variant("8-window", 8, 8, **_window(128, 220)),
    Variant("8-inverted-window", 8, 8, photometric="MONOCHROME1", **_window(120, 200)),
    Variant("8-signed", 8, 8, signed=True, **_window(0, 250)),
    Variant("8-of-16", 16, 8, **_window(128, 256)),
    Variant("6-of-8", 8, 6, **_window(32, 64)),
    Variant("10", stored=10, **_window(512, 1024, "LINEAR_EXACT")),
    Variant("12"),
    Variant("12-inverted", photometric="MONOCHROME1"),
    Variant("12-window", **_window(2048, 4096)),
    Variant("12-narrow", **_window(1800, 1500)),
    Variant("12-inverted-window", photometric="MONOCHROME1", **_window(2048, 3000)),
    Variant("12-presentation-inverse", **_window(2048, 4096, PresentationLUTShape="INVERSE")),
    Variant("12-rescaled", **_window(0, 2048, **_RESCALED)),
    Variant("12-signed", signed=True, **_window(0, 4096)),
    Variant("12-signed-inverted", signed=True, photometric="MONOCHROME1", **_window(100, 3000)),
    Variant("12-signed-rescaled", signed=True, **_window(-1000, 2048, **_RESCALED)),
    Variant("12-voi-lut", options=("+Wl", "1"), add=_voi_lut),
    Variant("12-modality-lut", add=_modality_lut),
    Variant("12-padding", **_window(2048, 4096, PixelPaddingValue=0)),
    Variant("14", stored=14, **_window(8192, 16384)),
    Variant("15-sigmoid", stored=15, **_window(16384, 20000, "SIGMOID")),
    Variant("16", stored=16, **_window(32768, 65536)),
    Variant("16-signed", stored=16, signed=True, **_window(0, 60000)),
    Variant("16-inverted", stored=16, photometric="MONOCHROME1"),
    Variant("12-high-bit-15", shift=4, **_window(2048, 4096)),
    Variant("12-high-bit-13", shift=2, **_window(2048, 4096)),
    Variant("12-high-bit-15-signed", shift=4, signed=True, **_window(0, 4096)),
    Variant("12-junk", junk=0xF000, **_window(2048, 4096)),
    Variant("12-junk-signed", junk=0xF000, signed=True, **_window(0, 4096)),
    Variant("12-junk-both-ends", shift=2, junk=0xC003, photometric="MONOCHROME1", **_window(2048, 4096)),
    Variant("10-overlay-in-bit-15", stored=10, junk=0x8000, **_window(512, 1024)),
    Variant("6-of-8-junk", 8, 6, junk=0xC0, **_window(32, 64)),
)


@dataclass(frozen=True)
class Derivative:
    """One data set of the matrix."""

    name: str
    syntax: UID
    dataset: Dataset
    options: tuple[str, ...]
    exact: bool


def derivatives(syntax: UID) -> Iterator[Derivative]:
    """Make every data set of one transfer syntax."""
    for number, variant in enumerate(VARIANTS):
        precision = _precision(syntax, variant)
        if precision is not None:
            dataset = _grey(variant, number)
            _encode(dataset, syntax, precision)
            yield Derivative(variant.name, syntax, dataset, variant.options, variant.exact)
    for name, dataset in _colours(syntax):
        yield Derivative(name, syntax, dataset, (), exact=True)


def _precision(syntax: UID, variant: Variant) -> int | None:
    """Return the codestream's precision; None where the syntax cannot hold the variant."""
    if not variant.whole and syntax in LOSSY:
        return None
    precision = variant.stored if variant.whole else variant.allocated
    if syntax == JPEGBaseline8Bit:
        return 8 if variant.stored == 8 else None
    if syntax == JPEGExtended12Bit:
        return variant.stored if variant.stored in {8, 12} else None
    return precision


def scene(top: int, number: int = 0) -> np.ndarray[Any, Any]:
    """Return a smooth image, no mirror image of itself; lossy codecs do not exceed ``top`` with it."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    wave = np.sin(x / 13 + number) * np.cos(y / 17) * 0.3 + x / COLUMNS * 0.25 + (y / ROWS) ** 2 * 0.2
    wave = (wave - wave.min()) / (wave.max() - wave.min())
    return np.rint(wave * top * 0.98).astype(np.int64)


def _grey(variant: Variant, number: int) -> Dataset:
    values = scene((1 << variant.stored) - 1, number)
    if variant.signed:
        values -= 1 << (variant.stored - 1)
    bits = (values & ((1 << variant.stored) - 1)) << variant.shift
    if variant.junk:
        bits |= np.random.default_rng(number).integers(0, 1 << variant.allocated, bits.shape) & variant.junk
    elif variant.signed and not variant.shift:
        bits = values  # the sign is extended through the unused bits
    dataset = _header(variant.photometric, variant.allocated)
    dataset.BitsStored, dataset.HighBit = variant.stored, variant.stored + variant.shift - 1
    dataset.PixelRepresentation = int(variant.signed)
    dataset.PixelData = (bits & ((1 << variant.allocated) - 1)).astype(f"<u{variant.allocated // 8}").tobytes()
    dataset["PixelData"].VR = "OW" if variant.allocated == 16 else "OB"
    for keyword, value in variant.attributes.items():
        setattr(dataset, keyword, value)
    if variant.add is not None:
        variant.add(dataset)
    return dataset


def _header(photometric: str, allocated: int, samples: int = 1) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "2.25.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.2", "2.25.3"
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CR", "MATRIX", "MATRIX"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = ROWS, COLUMNS, samples
    dataset.PhotometricInterpretation, dataset.BitsAllocated = photometric, allocated
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = allocated, allocated - 1, 0
    return dataset


def _encode(dataset: Dataset, syntax: UID, precision: int) -> None:
    if syntax in CODECS:
        compress(dataset, syntax, precision)
        return
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        size = dataset.BitsAllocated // 8
        dataset.PixelData = np.frombuffer(dataset.PixelData, f"<u{size}").astype(f">u{size}").tobytes()
        for sequence in ("VOILUTSequence", "ModalityLUTSequence"):
            for item in dataset.get(sequence, ()):
                item.LUTData = np.frombuffer(item.LUTData, "<u2").astype(">u2").tobytes()


def _colours(syntax: UID) -> Iterator[tuple[str, Dataset]]:
    """Make grey images in colour, in the syntaxes that are used for them."""
    grey = scene(255).astype(np.uint8)
    if syntax in NATIVE:
        yield "rgb", _coloured("RGB", np.dstack([grey] * 3), syntax)
        yield "rgb-planar", _coloured("RGB", np.stack([grey] * 3), syntax, planar=1)
        neutral = np.full_like(grey, 128)
        yield "ybr-full", _coloured("YBR_FULL", np.dstack([grey, neutral, neutral]), syntax)
        pairs = np.concatenate([grey.reshape(-1, 2), neutral.reshape(-1, 2)], axis=1)
        yield "ybr-full-422", _coloured("YBR_FULL_422", pairs, syntax)
        yield "palette", _palette(grey, syntax)
    if syntax in {RLELossless, JPEGLossless, JPEGLosslessSV1}:
        dataset = _coloured("RGB", np.dstack([grey] * 3), ExplicitVRLittleEndian)
        yield "rgb", compress(dataset, syntax)
        yield "palette", compress(_palette(grey, ExplicitVRLittleEndian), syntax)
    if syntax == JPEGBaseline8Bit:
        dataset = compress(_coloured("RGB", np.dstack([grey] * 3), ExplicitVRLittleEndian), syntax)
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        yield "ybr-full-422", dataset


def _coloured(photometric: str, samples: np.ndarray[Any, Any], syntax: UID, planar: int = 0) -> Dataset:
    dataset = _header(photometric, 8, samples=3)
    dataset.PlanarConfiguration = planar
    dataset.PixelData = samples.astype(np.uint8).tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def _palette(grey: np.ndarray[Any, Any], syntax: UID) -> Dataset:
    """Return an image of indices whose palette runs from white to black."""
    dataset = _header("PALETTE COLOR", 8)
    curve = (np.arange(255, -1, -1) * 257).astype(">u2" if syntax == ExplicitVRBigEndian else "<u2")
    for name in ("Red", "Green", "Blue"):
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        dataset.add_new(f"{name}PaletteColorLookupTableData", "OW", curve.tobytes())
    dataset.PixelData = grey.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset

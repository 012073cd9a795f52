"""The Image Pixel Module (PS3.3 C.7.6.3): how pixel data are laid out, with the evident default for what is absent.

A default is evident where every other reading contradicts the data set; each one taken is a remark. Where nothing is
evident the error names the attribute.
"""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from config.errors import UndecodablePixels
from inference.attributes import integer_of, number_of, numbers_of, text_of
from inference.codec.stream import CODECS, Codec, StreamHeader
from inference.findings import Remark, RemarkKind

MONOCHROME1 = "MONOCHROME1"
MONOCHROME2 = "MONOCHROME2"
PALETTE = "PALETTE COLOR"
_COLOURS = {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """What a data set says about its pixel data, in the Standard's terms."""

    syntax: str
    rows: int
    columns: int
    samples: int
    photometric: str
    planar: bool
    """Native samples come colour by colour (Planar Configuration 1)."""
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    remarks: tuple[Remark, ...] = ()

    @property
    def codec(self) -> Codec | None:
        """Return how the pixel data are encoded; None for native ones."""
        return CODECS.get(self.syntax)

    @property
    def monochrome(self) -> bool:
        """Say whether a stored value is a grey level."""
        return self.photometric in {MONOCHROME1, MONOCHROME2}


def transfer_syntax(dataset: Dataset) -> str:
    """Return the transfer syntax of a data set read from a file, empty when it names none."""
    return text_of(dataset.file_meta, "TransferSyntaxUID")


def pixel_data(dataset: Dataset) -> bytes:
    """Return the value of Pixel Data (7FE0,0010). Raises :class:`UndecodablePixels` when it cannot be read."""
    try:
        value = dataset.PixelData
    except Exception as error:  # pydicom converts on access and raises whatever the bytes lead it to
        msg = "Pixel Data (7FE0,0010) cannot be read: its element is broken"
        raise UndecodablePixels(msg) from error
    if not isinstance(value, bytes):
        msg = "Pixel Data (7FE0,0010) is of a Value Representation that holds no pixels"
        raise UndecodablePixels(msg)
    return value


def check_size(dataset: Dataset, max_pixels: int) -> None:
    """Refuse what is no single image of a bearable size, before any of it is decoded.

    Raises :class:`UndecodablePixels`.
    """
    rows, columns = integer_of(dataset, "Rows", 0), integer_of(dataset, "Columns", 0)
    problem = ""
    if "PixelData" not in dataset:
        problem = "it holds no pixel data"
    elif rows < 1 or columns < 1:
        problem = "its Rows or Columns are absent, so that its size is unknown"
    elif rows * columns > max_pixels:
        problem = f"its {rows} x {columns} pixels are more than inference.max_pixels allows"
    elif integer_of(dataset, "NumberOfFrames", 1) > 1:
        problem = "it holds several frames"
    if problem:
        raise UndecodablePixels(_no_radiograph(problem))


def read_layout(dataset: Dataset, header: StreamHeader | None) -> PixelLayout:
    """Collect the attributes of a data set that :func:`check_size` let pass.

    ``header`` is the codestream's own, where there is one. Raises :class:`UndecodablePixels` where an attribute is
    absent and nothing else says what it was, or where no reader here knows its value.
    """
    reader = _Reader(dataset, header)
    photometric = reader.photometric()
    samples = reader.samples(photometric)
    allocated = reader.bits_allocated(samples)
    stored = reader.bits_stored(allocated)
    return PixelLayout(
        syntax=transfer_syntax(dataset),
        rows=integer_of(dataset, "Rows", 0),
        columns=integer_of(dataset, "Columns", 0),
        samples=samples,
        photometric=photometric,
        planar=integer_of(dataset, "PlanarConfiguration", 0) == 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=reader.high_bit(allocated, stored),
        signed=reader.signed(),
        remarks=tuple(Remark(RemarkKind.ATTRIBUTE_DEFAULTED, text) for text in reader.defaulted),
    )


class _Reader:
    """Reads one attribute after the other and keeps what was defaulted."""

    def __init__(self, dataset: Dataset, header: StreamHeader | None) -> None:
        self._dataset = dataset
        self._header = header
        self.defaulted: list[str] = []

    def photometric(self) -> str:
        value = text_of(self._dataset, "PhotometricInterpretation")
        known = {MONOCHROME1, MONOCHROME2, PALETTE, *_COLOURS}
        if value in known:
            return value
        upper = value.upper()
        if upper in known:
            self.defaulted.append(f"Photometric Interpretation is not in upper case; it was read as {upper}")
            return upper
        shape = text_of(self._dataset, "PresentationLUTShape").upper()
        if not value and shape in {"IDENTITY", "INVERSE"}:
            evident = MONOCHROME2 if shape == "IDENTITY" else MONOCHROME1
            self.defaulted.append(
                f"Photometric Interpretation is absent; {evident} was taken, as Presentation LUT Shape {shape} asks"
            )
            return evident
        if value:
            raise UndecodablePixels(_no_radiograph("its Photometric Interpretation (0028,0004) is of an unknown kind"))
        raise UndecodablePixels(_absent("Photometric Interpretation", "(0028,0004)", "whether 0 is black or white"))

    def samples(self, photometric: str) -> int:
        evident = 3 if photometric in _COLOURS else 1
        if self._header is not None:
            evident = self._header.components
        value = integer_of(self._dataset, "SamplesPerPixel", 0)
        if value < 1:
            value = evident
            self.defaulted.append(f"Samples per Pixel is absent; {value} was taken")
        if value != (3 if photometric in _COLOURS else 1):
            problem = f"its Samples per Pixel (0028,0002) is {value}, which {photometric} does not have"
            raise UndecodablePixels(_no_radiograph(problem))
        return value

    def bits_allocated(self, samples: int) -> int:
        value = integer_of(self._dataset, "BitsAllocated", 0)
        if value < 1:
            value = self._evident_allocation(samples)
            if not value:
                raise UndecodablePixels(_absent("Bits Allocated", "(0028,0100)", "how many bits a pixel has"))
            self.defaulted.append(f"Bits Allocated is absent; {value} was taken")
        if value not in {8, 16}:
            raise UndecodablePixels(_no_radiograph(f"its pixels are {value} bits deep; 8 to 16 can be read"))
        return value

    def _evident_allocation(self, samples: int) -> int:
        """Return the only depth that the pixel data's length or the codestream allows; 0 when there is none."""
        if self._header is not None:
            return 8 if self._header.precision <= 8 else 16
        pixels = integer_of(self._dataset, "Rows", 0) * integer_of(self._dataset, "Columns", 0) * samples
        length = len(pixel_data(self._dataset))
        return next((bits for bits in (8, 16) if length - pixels * bits // 8 in {0, 1}), 0)

    def bits_stored(self, allocated: int) -> int:
        value = integer_of(self._dataset, "BitsStored", 0)
        if 1 <= value <= allocated:
            return value
        evident = allocated
        if self._header is not None:
            evident = min(allocated, self._header.precision)
        self.defaulted.append(f"Bits Stored is absent or impossible; {evident} was taken")
        return evident

    def high_bit(self, allocated: int, stored: int) -> int:
        value = integer_of(self._dataset, "HighBit", -1)
        if stored - 1 <= value < allocated:
            return value
        self.defaulted.append(f"High Bit is absent or impossible; {stored - 1} was taken")
        return stored - 1

    def signed(self) -> bool:
        value = number_of(self._dataset, "PixelRepresentation", -1.0)
        if value in {0.0, 1.0}:
            return value == 1.0
        signed = self._header is not None and self._header.signed
        taken = "signed, as the codestream says" if signed else "unsigned"
        self.defaulted.append(f"Pixel Representation is absent or unknown; the values were read as {taken}")
        return signed


def pixel_aspect(dataset: Dataset) -> float:
    """Return pixel height over width from the spacings or the ratio; square when they make no sense."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        numbers = numbers_of(dataset, keyword)
        if len(numbers) == 2 and min(numbers) > 0 and 0.25 <= numbers[0] / numbers[1] <= 4.0:
            return numbers[0] / numbers[1]
    return 1.0


def _no_radiograph(problem: str) -> str:
    return f"the pixel data make no radiograph: {problem}"


def _absent(name: str, tag: str, unknown: str) -> str:
    return f"{name} {tag} is absent, and nothing else says {unknown}; ask the sender to add it"

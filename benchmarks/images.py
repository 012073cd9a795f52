"""The images that benchmarks send: drawn here, and different in nothing but their UIDs."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

EXPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
_MARK = "9" * 30


@dataclass(frozen=True)
class Size:
    """A kind of image to send: ``side`` x ``side`` pixels, 16 bit, or 8 bit JPEG."""

    name: str
    side: int
    syntax: str


SMALL = Size("130 KB JPEG", 600, JPEG)
MEDIUM = Size("0.5 MB", 512, EXPLICIT)
LARGE = Size("8 MB", 2048, EXPLICIT)


class Images:
    """Makes files that differ in nothing but their UIDs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._templates: dict[Size, bytes] = {}

    def make(self, size: Size, count: int) -> list[Path]:
        """Write ``count`` new files, each a study of its own, and return their paths."""
        template = self._templates.setdefault(size, _template(size))
        folder = self._folder / f"{self._count}"
        folder.mkdir(parents=True)
        paths = []
        for _ in range(count):
            self._count += 1
            path = folder / f"{self._count}.dcm"
            path.write_bytes(template.replace(_MARK.encode(), f"{self._count:030d}".encode()))
            paths.append(path)
        return paths


def _template(size: Size) -> bytes:
    """Encode one radiograph-like picture whose UIDs all hold the mark that is replaced later."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(size.syntax)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (f"2.25.{n}{_MARK}" for n in (1, 2, 3))
    ds.PatientName, ds.PatientID, ds.PatientSex, ds.PatientBirthDate = "Benchmark^Phantom", "BENCH", "O", "19700101"
    ds.AccessionNumber, ds.StudyDate, ds.StudyTime, ds.Modality = "BENCH1", "20260101", "120000", "CR"
    ds.BodyPartExamined, ds.ViewPosition = "CHEST", "PA"
    ds.Rows = ds.Columns = size.side
    ds.SamplesPerPixel, ds.PixelRepresentation, ds.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    across = np.linspace(-1, 1, size.side)
    noise = np.random.default_rng(1).normal(0, 0.04, (size.side, size.side))
    picture = np.clip(0.5 + 0.4 * np.sin(np.hypot.outer(across, across) * 5) + noise, 0, 1)
    if size.syntax == JPEG:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        buffer = io.BytesIO()
        Image.fromarray((picture * 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
        ds.PixelData = encapsulate([buffer.getvalue()])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.LossyImageCompression = "01"
    else:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        ds.PixelData = (picture * 4095).astype("<u2").tobytes()
        ds["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()

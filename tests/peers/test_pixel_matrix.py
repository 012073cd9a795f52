"""Pixels are what programs that nobody here wrote show: DCMTK, with OpenJPEG where DCMTK cannot decode.

Two readings differ from DCMTK's on purpose and are not in the matrix: MONOCHROME1 with Presentation LUT Shape IDENTITY
(DCMTK does not invert, Orthanc and this node do), and JPEG-LS whose High Bit is beyond the codestream's precision
(DCMTK shifts the values away, as it does not with JPEG).
"""

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRLittleEndian

from config.errors import UndecodablePixels
from inference.codec.stream import CODECS, Codec
from inference.pixels import read_picture
from tests.pixel_matrix import SYNTAXES, Derivative, derivatives

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Program = Callable[[str], str]
_VIEWERS = {Codec.JPEG: "dcmj2pnm", Codec.JPEG_LS: "dcml2pnm"}
LEAST_CORRELATION = 0.999
MOST_APART = 0.012
"""Three grey levels of 255: what rounding and lossy compression do to a mean difference."""


def test_there_are_enough_derivatives_in_every_syntax() -> None:
    counts = {syntax: len(list(derivatives(syntax))) for syntax in SYNTAXES}
    assert sum(counts.values()) >= 300
    assert min(counts.values()) >= 6


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_the_pixels_are_those_that_others_show(syntax: UID, tmp_path: Path, program: Program) -> None:
    wrong = []
    for derivative in derivatives(syntax):
        path = tmp_path / "derivative.dcm"
        dcmwrite(path, derivative.dataset, enforce_file_format=True)
        reference = shown_by_others(derivative, path, program)
        try:
            gray = read_picture(path, 1 << 20).gray
        except UndecodablePixels as error:
            wrong.append(f"{derivative.name}: {error}")
            continue
        r = float(np.corrcoef(gray.ravel(), reference.ravel())[0, 1])
        apart = float(np.abs(gray - reference).mean())
        if not r >= LEAST_CORRELATION or (derivative.exact and apart > MOST_APART):
            wrong.append(f"{derivative.name}: r = {r:.4f}, mean difference {apart:.3f}")
    assert wrong == []


def shown_by_others(derivative: Derivative, path: Path, program: Program) -> np.ndarray[tuple[int, ...], np.dtype]:
    """Return (rows, columns), 0 to 1."""
    codec = CODECS.get(derivative.syntax)
    if codec in {Codec.JPEG_2000, Codec.HTJ2K}:
        dcmwrite(
            path.with_suffix(".raw.dcm"), decompressed(derivative.dataset, path, program), enforce_file_format=True
        )
        source, viewer = path.with_suffix(".raw.dcm"), "dcm2pnm"
    else:
        source, viewer = path, _VIEWERS.get(codec, "dcm2pnm") if codec is not None else "dcm2pnm"
    image = path.with_suffix(".pnm")
    subprocess.run(
        [program(viewer), "-O", *derivative.options, str(source), str(image)], check=True, capture_output=True
    )
    return np.asarray(Image.open(image).convert("L"), np.float64) / 255


def decompressed(dataset: Dataset, path: Path, program: Program) -> Dataset:
    """Return the data set with native pixels, as OpenJPEG's own program decodes them."""
    stream, raw = path.with_suffix(".j2k"), path.with_suffix(".rawl")
    stream.write_bytes(get_frame(dataset.PixelData, 0, number_of_frames=1))
    subprocess.run([program("opj_decompress"), "-i", str(stream), "-o", str(raw)], check=True, capture_output=True)
    native = copy.deepcopy(dataset)
    data = raw.read_bytes()
    size = len(data) // (dataset.Rows * dataset.Columns)
    native.PixelData = np.frombuffer(data, f"<u{size}").astype(f"<u{dataset.BitsAllocated // 8}").tobytes()
    native["PixelData"].VR = "OW"
    native["PixelData"].is_undefined_length = False
    native.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return native

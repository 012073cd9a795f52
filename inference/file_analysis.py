"""File analysis: the answer to one file that somebody holds in hand, outside of any study.

A DICOM file is answered as the node answers what it receives: what the node would refuse or hold is not analysed. A PNG
or JPEG has no header: nothing says that it shows an adult's chest from the front, so that only a sure verdict of the
image itself lets it through.
"""

import io
import time
from dataclasses import dataclass

from config.errors import UndecodablePixels
from dicom_node.storage_scp.admission import NotAdmitted, admit_file
from inference import no_header
from inference.analyse import Analyser, StageTimes
from inference.findings import ImageAnalysis
from inference.not_analysed import NotAnalysed, ReasonCode
from inference.pixels import Picture
from inference.pixels.image_file import HEAD_BYTES, FileKind, file_kind, read_image_file
from tracking.studies.patient import ELEMENTS

NOT_AN_IMAGE = NotAnalysed(ReasonCode.NO_IMAGE_FILE)


@dataclass(frozen=True, slots=True, eq=False)
class FileAnalysis:
    """What came of one file."""

    kind: FileKind | None
    """None for a file that is none of these."""
    analysis: ImageAnalysis
    image: Picture | None
    """The decoded image; None where nothing was decoded."""
    seconds: float


def analyse_content(analyser: Analyser, content: bytes, max_pixels: int) -> FileAnalysis:
    """Analyse one file by its bytes; every refusal is part of the answer.

    ``max_pixels`` is the most that are decoded of a PNG or JPEG. Raises MemoryError when there is no memory to decode.
    """
    start = time.perf_counter()
    kind = file_kind(content[:HEAD_BYTES])
    analysis, image = _analyse(analyser, kind, content, max_pixels)
    return FileAnalysis(kind, analysis, image, time.perf_counter() - start)


def _analyse(
    analyser: Analyser, kind: FileKind | None, content: bytes, max_pixels: int
) -> tuple[ImageAnalysis, Picture | None]:
    if kind is None:
        return ImageAnalysis(NOT_AN_IMAGE), None
    times = StageTimes()
    if kind is FileKind.DICOM:
        refusal = refusal_as_received(content)
        return (ImageAnalysis(refusal), None) if refusal else analyser.analyse_dicom(content, times)
    try:
        image = read_image_file(io.BytesIO(content), max_pixels, (kind,))
    except UndecodablePixels as error:
        return ImageAnalysis(NotAnalysed(ReasonCode.UNDECODABLE, {"detail": str(error)})), None
    return no_header.with_remark(analyser.analyse_picture(image, no_header.HEADER_ANSWER, times)), image


def refusal_as_received(content: bytes) -> NotAnalysed | None:
    """Return why the node would refuse a DICOM file or hold it; None where it would analyse it."""
    try:
        header = admit_file(content)
    except NotAdmitted as refused:
        return NotAnalysed(ReasonCode.NOT_ADMITTED, {"detail": str(refused)})
    if not header.repeated:
        return None
    names = [ELEMENTS.get(name, name) for name in header.repeated]
    return NotAnalysed(ReasonCode.TWO_PATIENTS, {"elements": names})

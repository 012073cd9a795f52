"""The gate of secondary captures: an image of one source in RGB or greyscale, filed with it."""

from collections.abc import Mapping, Sequence

from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from reporting.account import Account, AnalysedImage
from reporting.capture.map_capture import map_uids
from reporting.capture.secondary_capture import capture_uids
from reporting.capture.summary_capture import summary_uids
from reporting.charset import quiet
from reporting.claims import mapped_of
from reporting.dicom_object import BuiltObject
from reporting.gate import check_identity, demand, read_back

_COLOUR = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}
_GREY = {"PhotometricInterpretation": "MONOCHROME2", "SamplesPerPixel": 1}
_REQUIRED = {
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PixelRepresentation": 0,
    "BurnedInAnnotation": "YES",
}

_FORBIDDEN = (
    "WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "FrameOfReferenceUID", "ViewPosition"
)  # fmt: skip


@quiet()
def check_capture(built: BuiltObject, account: Account, image: AnalysedImage, *, grey: bool = False) -> None:
    """Check a secondary capture against its account. Raises DocumentRejected with the first thing wrong."""
    _check_secondary_capture(
        built, account, (image,), capture_uids(account, image, grey=grey), _GREY if grey else _COLOUR
    )


@quiet()
def check_map_capture(built: BuiltObject, account: Account, image: AnalysedImage, label: str) -> None:
    """Check a finding's score map capture against its account. Raises DocumentRejected with the first thing wrong."""
    demand(
        label in {entry.finding.label for entry in mapped_of(image.findings)}, "the finding has no score map to show"
    )
    _check_secondary_capture(built, account, (image,), map_uids(account, image, label), _COLOUR)


@quiet()
def check_summary_capture(built: BuiltObject, account: Account) -> None:
    """Check a study's summary page against its account. Raises DocumentRejected with the first thing wrong."""
    demand(len(account.analysed) > 1, "there are not several images to sum up")
    _check_secondary_capture(built, account, account.analysed, summary_uids(account), _COLOUR)


def _check_secondary_capture(
    built: BuiltObject,
    account: Account,
    images: Sequence[AnalysedImage],
    uids: tuple[str, str],
    pixels: Mapping[str, object],
) -> None:
    document = read_back(built.content)
    check_identity(document, built, account.lead, uids)
    _check_image(document, pixels)
    referenced = [reference.ReferencedSOPInstanceUID for reference in document.SourceImageSequence]
    shown = [image.source.sop_instance_uid for image in images]
    demand(referenced == shown, "the source image is not referenced")


def _check_image(document: Dataset, pixels: Mapping[str, object]) -> None:
    demand(document.SOPClassUID == SecondaryCaptureImageStorage, "the SOP class is not Secondary Capture")
    for keyword, expected in {**pixels, **_REQUIRED}.items():
        demand(document.get(keyword) == expected, f"{keyword} is not {expected}")
    for keyword in _FORBIDDEN:
        demand(keyword not in document, f"{keyword} must not be there")
    length = document.Rows * document.Columns * document.SamplesPerPixel
    demand(len(document.get("PixelData", b"")) == length + length % 2, "the pixel data have the wrong length")
    references = document.get("SourceImageSequence") or [Dataset()]
    demand("ReferencedSOPInstanceUID" in references[0], "no source image is referenced")


@quiet()
def check_capture_alone(content: bytes) -> None:
    """Check a secondary capture without its account. Raises DocumentRejected with the first thing wrong."""
    _check_image(read_back(content), _COLOUR)


@quiet()
def check_grey_capture_alone(content: bytes) -> None:
    """Check a secondary capture in greyscale without its account. Raises DocumentRejected."""
    _check_image(read_back(content), _GREY)

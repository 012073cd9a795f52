"""The kind of object: CR and DX for presentation, and secondary captures that a CR or DX device made."""

from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from config.language.translation import marked
from inference.header import Header
from inference.not_analysed import NotAnalysed, ReasonCode

_RADIOGRAPHS = {ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation}
_CAPTURES = {
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
}
_RADIOGRAPH_MODALITIES = {"CR", "DX", "DR", "RG"}
_MODALITY_WORDS = {
    "CT": marked("a CT image"),
    "DOC": marked("a document"),
    "ECG": marked("an electrocardiogram"),
    "ES": marked("an endoscopic image"),
    "IO": marked("a dental radiograph"),
    "KO": marked("a key object selection"),
    "MG": marked("a mammogram"),
    "MR": marked("an MR image"),
    "NM": marked("a nuclear medicine image"),
    "OPT": marked("an ophthalmic tomogram"),
    "PR": marked("a presentation state"),
    "PT": marked("a PET image"),
    "PX": marked("a panoramic dental radiograph"),
    "RF": marked("a fluoroscopic image"),
    "SC": marked("a secondary capture"),
    "SEG": marked("a segmentation"),
    "SM": marked("a microscopic slide"),
    "SR": marked("a structured report"),
    "US": marked("an ultrasound image"),
    "XA": marked("an angiogram"),
    "XC": marked("a photograph"),
}  # PS3.3 C.7.3.1.1.1


def refusal_of(header: Header) -> NotAnalysed | None:
    """Return why an object of this kind is not analysed, None for a radiograph."""
    uid = UID(header.sop_class_uid)
    words = _MODALITY_WORDS.get(header.modality)
    if words is not None and not (header.modality == "SC" and uid in _RADIOGRAPHS):
        return NotAnalysed(ReasonCode.MODALITY, {"kind": words})
    if uid == DigitalXRayImageStorageForProcessing or header.presentation_intent == "FOR PROCESSING":
        return NotAnalysed(ReasonCode.FOR_PROCESSING)
    if uid in _RADIOGRAPHS or (uid in _CAPTURES and header.modality in _RADIOGRAPH_MODALITIES):
        return None
    if uid in _CAPTURES:
        return NotAnalysed(ReasonCode.CAPTURE)
    if uid.name != uid and uid.name.endswith("Storage"):
        return NotAnalysed(ReasonCode.OTHER_OBJECT, {"kind": uid.name.removesuffix(" Storage")})
    return NotAnalysed(ReasonCode.UNKNOWN_OBJECT)

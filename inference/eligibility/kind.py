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
from inference.findings import NotAnalysed, Reason
from inference.header import Header

_RADIOGRAPHS = {ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation}
_CAPTURES = {
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
}
_RADIOGRAPH_MODALITIES = {"CR", "DX", "DR", "RG"}
_MODALITY_WORDS = {
    "CT": "a CT image",
    "DOC": "a document",
    "ECG": "an electrocardiogram",
    "ES": "an endoscopic image",
    "IO": "a dental radiograph",
    "KO": "a key object selection",
    "MG": "a mammogram",
    "MR": "an MR image",
    "NM": "a nuclear medicine image",
    "OPT": "an ophthalmic tomogram",
    "PR": "a presentation state",
    "PT": "a PET image",
    "PX": "a panoramic dental radiograph",
    "RF": "a fluoroscopic image",
    "SC": "a secondary capture",
    "SEG": "a segmentation",
    "SM": "a microscopic slide",
    "SR": "a structured report",
    "US": "an ultrasound image",
    "XA": "an angiogram",
    "XC": "a photograph",
}  # PS3.3 C.7.3.1.1.1


def refusal_of(header: Header) -> NotAnalysed | None:
    """Return why an object of this kind is not analysed, None for a radiograph."""
    uid = UID(header.sop_class_uid)
    words = _MODALITY_WORDS.get(header.modality)
    if words is not None and not (header.modality == "SC" and uid in _RADIOGRAPHS):
        return NotAnalysed(Reason.MODALITY, f"it is {words}, not a radiograph")
    if uid == DigitalXRayImageStorageForProcessing or header.presentation_intent == "FOR PROCESSING":
        because = marked("it is the raw image for processing; the processed image for presentation is needed")
        return NotAnalysed(Reason.SOP_CLASS, because)
    if uid in _RADIOGRAPHS or (uid in _CAPTURES and header.modality in _RADIOGRAPH_MODALITIES):
        return None
    if uid in _CAPTURES:
        because = marked("it is a secondary capture that no radiography device made")
    elif uid.name != uid and uid.name.endswith("Storage"):
        because = f"it is a DICOM object of another kind ({uid.name.removesuffix(' Storage')}), not a radiograph"
    else:
        because = marked("it is a DICOM object of a kind that is not known here")
    return NotAnalysed(Reason.SOP_CLASS, because)

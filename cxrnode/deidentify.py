"""De-identified copies of received images.

The copy begins with the few attributes that the pixel pipeline and a training need; dicom-anonymizer then applies the
Basic Application Level Confidentiality Profile (PS3.15 E.2) to what is left. It cleans no sequence that the profile
does not name, so that the sequences which stay are given to it one by one. Pixels are not searched for text: an image
that says that text is burned in is refused.
"""

import copy
import io
from collections.abc import Iterator
from typing import Any

from dicomanonymizer import anonymize_dataset
from pydicom import Dataset, Sequence, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

from config.errors import ActionRefused

_KEPT = frozenset(
    {
        "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality",
        "PresentationIntentType", "PatientName", "PatientID", "PatientSex", "BodyPartExamined", "ViewPosition",
        "ViewCodeSequence", "AnatomicRegionSequence", "PatientOrientation", "ImageLaterality", "ImageType",
        "InstanceNumber", "SeriesNumber", "PixelSpacing", "ImagerPixelSpacing", "SamplesPerPixel",
        "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "PixelAspectRatio",
        "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SmallestImagePixelValue",
        "LargestImagePixelValue", "PixelPaddingValue", "PixelPaddingRangeLimit", "PixelIntensityRelationship",
        "PixelIntensityRelationshipSign", "BurnedInAnnotation", "WindowCenter", "WindowWidth", "VOILUTFunction",
        "RescaleIntercept", "RescaleSlope", "RescaleType", "LossyImageCompression", "ModalityLUTSequence",
        "VOILUTSequence", "PresentationLUTShape", "PresentationLUTSequence", "ShutterShape",
        "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge", "ShutterUpperHorizontalEdge",
        "ShutterLowerHorizontalEdge", "CenterOfCircularShutter", "RadiusOfCircularShutter",
        "VerticesOfThePolygonalShutter", "ShutterPresentationValue", "RedPaletteColorLookupTableDescriptor",
        "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
        "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
        "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "CodeValue", "CodingSchemeDesignator",
        "CodeMeaning", "LUTDescriptor", "LUTData", "ModalityLUTType",
    }
)  # fmt: skip
"""Keywords of what a copy holds, at any depth."""
_METHOD = "PS3.15 Basic Profile, dicom-anonymizer"


def has_burned_in_text(dataset: Dataset) -> bool:
    """Say whether the header says that the pixels hold text that identifies the patient (0028,0301)."""
    return str(dataset.get("BurnedInAnnotation", "")).strip().upper() == "YES"


def deidentified(dataset: Dataset, patient: str) -> bytes:
    """Return a de-identified copy of an image as a DICOM file; the data set given stays as it is.

    Parameters
    ----------
    dataset
        An image with its file meta information.
    patient
        The mark that stands for Patient ID and Patient's Name.

    Raises
    ------
    ActionRefused
        The image says that text is burned in, or an attribute cannot be cleaned.
    """
    if has_burned_in_text(dataset):
        raise ActionRefused("the image says that text is burned into its pixels: it is left out")
    try:
        clean = _kept(dataset)
        for part in (*_items(clean), clean):
            anonymize_dataset(part)
        _mark(clean, patient, str(dataset.get("PatientSex", "") or ""))
        return _encoded(clean, dataset)
    except (NotImplementedError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ActionRefused(f"the image's header cannot be cleaned ({type(error).__name__}): it is left out") from None


def _mark(clean: Dataset, patient: str, sex: str) -> None:
    clean.PatientID = clean.PatientName = patient
    clean.PatientSex = sex if sex in {"M", "F", "O"} else ""
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = _METHOD
    clean.DeidentificationMethodCodeSequence = [_basic_profile()]


def _kept(dataset: Dataset) -> Dataset:
    kept = Dataset()
    for element in dataset:
        if element.keyword not in _KEPT:
            continue
        copied = copy.deepcopy(element)
        if element.VR == "SQ":
            copied.value = Sequence([_kept(item) for item in element.value])
        kept.add(copied)
    return kept


def _items(dataset: Dataset) -> Iterator[Dataset]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from _items(item)


def _basic_profile() -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = "113100", "DCM"
    item.CodeMeaning = "Basic Application Confidentiality Profile"
    return item


def _encoded(clean: Dataset, source: Dataset) -> bytes:
    meta: Any = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = clean.SOPClassUID, clean.SOPInstanceUID
    meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    clean.file_meta = meta
    content = io.BytesIO()
    dcmwrite(content, clean, enforce_file_format=True)
    return content.getvalue()

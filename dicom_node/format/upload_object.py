"""Upload objects: DICOM files of what somebody uploads, under UIDs of this node.

Nothing that is received later can be of the same study, series or instance, and the uploaded file's own UIDs stay free
for the study that a modality sends.
"""

import io
import uuid
import warnings
from dataclasses import dataclass
from datetime import datetime

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from config.errors import UnreadableInstance
from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

MOST_PIXELS_A_SIDE = 65_535
"""Rows and Columns have 16 bits (PS3.3 C.7.6.3)."""
_LOSSY_METHOD = "ISO_10918_1"


@dataclass(frozen=True, slots=True)
class GreyImage:
    """An image as it came out of a PNG or JPEG: stored values row by row, little endian."""

    rows: int
    columns: int
    bits: int
    """8 or 16 for a pixel, all of them used; 0 is black."""
    values: bytes
    file_kind: str
    """PNG or JPEG."""
    file_bytes: int
    """Size of the file."""


def new_uid() -> str:
    """Return a UID that nobody has (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def secondary_capture(image: GreyImage, version: str, when: datetime) -> bytes:
    """Return a grey image as a DICOM file of SOP class Secondary Capture Image Storage (PS3.3 A.8.1).

    Its header says what is known, which is nothing about the patient, the view and the day of the exposure.
    ``version`` is that of this program, ``when`` the time of the upload.

    Raises
    ------
    ValueError
        A side has more pixels than DICOM can say.
    """
    if max(image.rows, image.columns) > MOST_PIXELS_A_SIDE:
        msg = f"the image has more than {MOST_PIXELS_A_SIDE:,} pixels a side; export it smaller"
        raise ValueError(msg)
    dataset = Dataset()
    for keyword in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "PatientOrientation", "InstanceNumber", "SeriesNumber",
    ):  # fmt: skip
        setattr(dataset, keyword, None)
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = new_uid(), new_uid(), new_uid()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.Modality, dataset.ConversionType = "OT", "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.StudyDescription = "Upload, not received from a modality"
    dataset.SeriesDescription = f"Upload of a {image.file_kind} file"
    dataset.DerivationDescription = f"Grey levels of an uploaded {image.file_kind} file"
    dataset.ImageComments = (
        f"Converted from a {image.file_kind} file that a user of this node uploaded. The file says nothing about the "
        "patient, the view or the day of the exposure."
    )
    dataset.SecondaryCaptureDeviceManufacturer = "cxrnode"
    dataset.SecondaryCaptureDeviceManufacturerModelName = "cxrnode"
    dataset.SecondaryCaptureDeviceSoftwareVersions = version[:64]
    dataset.DateOfSecondaryCapture = dataset.InstanceCreationDate = f"{when:%Y%m%d}"
    dataset.TimeOfSecondaryCapture = dataset.InstanceCreationTime = f"{when:%H%M%S}"
    _add_pixels(dataset, image)
    return _file_of(dataset)


def under_own_uids(content: bytes) -> bytes:
    """Return a DICOM file with new UIDs of study, series and instance, and everything else as it was.

    Raises
    ------
    UnreadableInstance
        It cannot be parsed, or not be written again.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that are not legal stay as they are
            dataset = dcmread(io.BytesIO(content))
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = new_uid(), new_uid()
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(new_uid())
            dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
            file = io.BytesIO()
            dataset.save_as(file, enforce_file_format=True)
    except MemoryError:
        raise
    except Exception as error:  # pydicom raises whatever the bytes lead it to
        msg = "its file cannot be parsed and written again as DICOM; have it exported anew where it was made"
        raise UnreadableInstance(msg) from error
    return file.getvalue()


def _add_pixels(dataset: Dataset, image: GreyImage) -> None:
    dataset.Rows, dataset.Columns = image.rows, image.columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = image.bits
    dataset.HighBit, dataset.PixelRepresentation = image.bits - 1, 0
    if image.bits > 8:  # as the file has it, from black to white; 8 bits are shown so without a window
        dataset.WindowCenter, dataset.WindowWidth = 1 << (image.bits - 1), 1 << image.bits
    if image.file_kind == "JPEG":
        ratio = image.rows * image.columns * image.bits / 8 / max(image.file_bytes, 1)
        dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = "01", _LOSSY_METHOD
        dataset.LossyImageCompressionRatio = f"{max(ratio, 0.01):.2f}"
    dataset.add_new("PixelData", "OB" if image.bits == 8 else "OW", image.values + b"\0" * (len(image.values) % 2))


def _file_of(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()

"""Writing a DICOM document so that the source's identity stays as it came, byte for byte."""

from collections.abc import Mapping

from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr, write_data_element, write_file_meta_info
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from reporting.charset import CharacterSet, quiet


def encode(document: Dataset, identity: Mapping[BaseTag, RawDataElement], character_set: CharacterSet) -> bytes:
    """Return a Part 10 file, Explicit VR Little Endian.

    Parameters
    ----------
    document
        What we say. Attributes that ``identity`` also has are overridden.
    identity
        Elements of the source, already encoded for Explicit VR Little Endian; written untouched.
    character_set
        What ``identity`` is encoded in and declares; our own text is encoded in it too.
    """
    own = Dataset({tag: document[tag] for tag in document.keys() - identity.keys() if BaseTag(tag).group > 2})
    own = correct_ambiguous_vr(own, is_little_endian=True)
    elements: dict[BaseTag, DataElement | RawDataElement] = {BaseTag(tag): own[tag] for tag in own.keys()}  # noqa: SIM118
    elements.update(identity)
    body = DicomBytesIO()
    body.is_little_endian = True
    body.is_implicit_VR = False
    with quiet():
        encodings = character_set.encodings
        for tag in sorted(elements):
            write_data_element(body, elements[tag], encodings)
        return _preamble_and_meta(document) + body.getvalue()


def _preamble_and_meta(document: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(document.SOPClassUID)
    meta.MediaStorageSOPInstanceUID = UID(document.SOPInstanceUID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta, enforce_standard=True)
    return b"\0" * 128 + b"DICM" + buffer.getvalue()

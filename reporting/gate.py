"""The gate before a document leaves: what every document is checked for, by reading its finished bytes back.

A document that fails is quarantined with the reason and not sent; the rest of its analysis goes on. Reasons name
attributes, codes and UIDs, never a patient's values. What each kind is checked for besides stands in its own room.
"""

from collections.abc import Iterable
from io import BytesIO

import pydicom
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.uid import UID, ExplicitVRLittleEndian

from config.errors import DocumentRejected
from reporting.charset import quiet
from reporting.dicom_object import BuiltObject
from reporting.source import SourceImage

_PRESENT = (
    "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "SeriesNumber", "InstanceNumber", "Manufacturer",
    "SoftwareVersions",
)  # fmt: skip


def demand(condition: bool, wrong: str) -> None:
    """Raise DocumentRejected, saying what is wrong, unless a condition holds."""
    if not condition:
        raise DocumentRejected(wrong)


def read_back(content: bytes, dated: str = "Content") -> Dataset:
    """Return a DICOM document as its receiver reads it. Raises DocumentRejected unless it is one that can be filed.

    ``dated`` begins the keywords of the date and the time that such documents have.
    """
    with quiet():
        try:
            document = pydicom.dcmread(BytesIO(content))
        except Exception as error:  # noqa: BLE001 - whatever a parser makes of it, it must not be sent
            msg = f"it cannot be read back ({type(error).__name__})"
            raise DocumentRejected(msg) from None
    meta = document.file_meta
    demand(meta.TransferSyntaxUID == ExplicitVRLittleEndian, "the transfer syntax is not Explicit VR Little Endian")
    demand(meta.MediaStorageSOPClassUID == document.get("SOPClassUID"), "the file meta SOP class differs")
    demand(meta.MediaStorageSOPInstanceUID == document.get("SOPInstanceUID"), "the file meta SOP instance differs")
    for keyword in (*_PRESENT, f"{dated}Date", f"{dated}Time"):
        demand(document.get(keyword) not in {None, ""}, f"{keyword} is missing")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        demand(UID(document[keyword].value).is_valid, f"{keyword} is no valid UID")
    equipment = document.get("ContributingEquipmentSequence") or [Dataset()]
    demand("DeviceUID" in equipment[0], "the model is not named as contributing equipment")
    return document


def check_identity(document: Dataset, built: BuiltObject, lead: SourceImage, uids: tuple[str, str]) -> None:
    """Compare with the source: patient and study to the byte, and the UIDs that follow from it.

    Raises DocumentRejected; ``uids`` are those of the series and of the instance.
    """
    series_uid, instance_uid = uids
    demand(document.SOPClassUID == built.sop_class_uid, "the SOP class differs")
    demand(document.SOPInstanceUID == instance_uid == built.sop_instance_uid, "the SOP Instance UID differs")
    demand(document.SeriesInstanceUID == series_uid == built.series_uid, "the Series Instance UID differs")
    with quiet():
        untouched = pydicom.dcmread(BytesIO(built.content), stop_before_pixels=True)
    for tag, expected in lead.identity().items():
        element: DataElement | RawDataElement | None = untouched.get_item(tag) if tag in untouched else None
        if isinstance(element, RawDataElement):
            same = (element.value or b"") == expected.value
        else:  # pydicom parses the character set while it reads
            same = (
                element is not None and "\\".join(_listed(element.value)).encode() == (expected.value or b"").rstrip()
            )
        demand(same, f"{keyword_for_tag(tag)} is not the source's")


def _listed(value: object) -> list[str]:
    if value is None or isinstance(value, str):
        return [value or ""]
    return [str(part) for part in value] if isinstance(value, Iterable) else [str(value)]

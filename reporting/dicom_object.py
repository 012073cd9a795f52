"""What all DICOM documents share: the finished object, and the model as the equipment that contributed to it."""

from dataclasses import dataclass

import highdicom as hd
from highdicom import sr
from pydicom.sr.codedict import codes as known

from reporting import codes
from reporting.account import MANUFACTURER, Account
from reporting.identity import device_uid


@dataclass(frozen=True, slots=True)
class BuiltObject:
    """One DICOM document, encoded as a Part 10 file."""

    sop_instance_uid: str
    series_uid: str
    sop_class_uid: str
    content: bytes


def equipment(account: Account) -> hd.ContributingEquipment:
    """Return the model as contributing equipment (0018,A001), with the Device UID that IHE AIR asks for."""
    fit = account.lead.character_set.fit
    item = hd.ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=known.DCM.ProcessingEquipment,
        manufacturer_model_name=fit(account.model.name, 64),
        software_versions=fit(account.model.version, 64),
        institution_name=fit(account.institution, 64) or None,
        contribution_description=f"Automated analysis of chest radiographs; package SHA-256 {account.model.digest}",
    )
    item.DeviceUID = device_uid(account.model)
    # highdicom takes codes of CID 7005 only
    item.PurposeOfReferenceCodeSequence = [sr.CodedConcept.from_code(codes.PROCESSING_ALGORITHM)]
    return item

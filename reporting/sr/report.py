"""The structured report: one a study revision; what it says is in :mod:`reporting.sr.tree`."""

from dataclasses import dataclass
from enum import StrEnum

import highdicom as hd
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes as known

from config.language.translation import gettext as _
from inference.findings import ModelIdentity
from reporting import codes
from reporting.account import MANUFACTURER, Account
from reporting.charset import quiet
from reporting.elements import raw_element
from reporting.identity import device_uid, document_uid
from reporting.part10 import encode
from reporting.sr.content import encode_content
from reporting.sr.tree import report_items


class ReportClass(StrEnum):
    """The SR storage classes that a TID 1500 report may take (PS3.4 B.5); viewers differ in which they draw."""

    ENHANCED = "1.2.840.10008.5.1.4.1.1.88.22"
    COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
    COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"


_CONSTRUCTORS = {
    ReportClass.ENHANCED: sr.EnhancedSR,
    ReportClass.COMPREHENSIVE: sr.ComprehensiveSR,
    ReportClass.COMPREHENSIVE_3D: sr.Comprehensive3DSR,
}


@dataclass(frozen=True, slots=True)
class BuiltObject:
    """One DICOM document, encoded as a Part 10 file."""

    sop_instance_uid: str
    series_uid: str
    sop_class_uid: str
    content: bytes


def report_uids(
    source_uids: tuple[str, ...],
    model: ModelIdentity,
    revision: int,
    report_class: ReportClass = ReportClass.COMPREHENSIVE_3D,
) -> tuple[str, str]:
    """Return (Series Instance UID, SOP Instance UID) of an analysis's report, which has its series to itself.

    Each class has UIDs of its own: a SOP Instance UID must not stand for two objects at two destinations.
    """
    more = () if report_class is ReportClass.COMPREHENSIVE_3D else (report_class.value,)
    return (
        document_uid("sr-series", source_uids, model, revision, *more),
        document_uid("sr", source_uids, model, revision, *more),
    )


def build_report(
    account: Account, series_number: int, report_class: ReportClass = ReportClass.COMPREHENSIVE_3D
) -> BuiltObject:
    """Return the structured report of an account.

    Its tree is that of :func:`reporting.sr.tree.report_items`. The report is complete, unverified and preliminary: no
    person has seen it.

    Parameters
    ----------
    account
        What to say; at least one analysed image.
    series_number
        Series Number (0020,0011) of the report's own series.
    report_class
        The storage class to write.
    """
    series_uid, instance_uid = report_uids(account.source_uids, account.model, account.revision, report_class)
    when = account.local_time()
    fit = account.lead.character_set.fit
    with quiet():
        document = _CONSTRUCTORS[report_class](
            evidence=[image.source.evidence() for image in account.analysed],
            content=_root(),
            series_instance_uid=series_uid,
            series_number=account.series_number(series_number),
            sop_instance_uid=instance_uid,
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=fit(account.model.name, 64),
            software_versions=fit(account.model.version, 64),
            device_serial_number=account.model.digest[:16] or "0",
            institution_name=fit(account.institution, 64) or None,
            is_complete=True,
            is_final=False,
            is_verified=False,
            series_description=fit(account.series_description(_("AI findings (not verified)")), 64),
            contributing_equipment=[equipment(account)],
            content_date=when.date(),
            content_time=when.time(),
            series_date=when.date(),
            series_time=when.time(),
        )
        document.InstanceCreationDate = when.strftime("%Y%m%d")
        document.InstanceCreationTime = when.strftime("%H%M%S.%f")
        document.ContributingEquipmentSequence = document.ContributingEquipmentSequence[:1]
        _mention_predecessor(document, account)
        document.ContinuityOfContent = "SEPARATE"
        tree = raw_element("ContentSequence", encode_content(report_items(account), account.lead.character_set))
        content = encode(document, {**account.lead.identity(), tree.tag: tree}, account.lead.character_set)
    return BuiltObject(instance_uid, series_uid, report_class.value, content)


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


def _root() -> sr.ContainerContentItem:
    """Return the root of the tree without what is under it (TID 1500)."""
    root = sr.ContainerContentItem(name=codes.IMAGING_MEASUREMENT_REPORT, template_id="1500")
    root.ContentSequence = sr.ContentSequence([])
    return root


def _mention_predecessor(document: Dataset, account: Account) -> None:
    """Point to the report that this one replaces (PS3.3 C.17.2, Predecessor Documents Sequence)."""
    before = account.predecessor
    if before is None:
        return
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = before.sop_class_uid
    instance.ReferencedSOPInstanceUID = before.sop_instance_uid
    series.SeriesInstanceUID = before.series_uid
    series.ReferencedSOPSequence = [instance]
    study.StudyInstanceUID = account.lead.study_uid
    study.ReferencedSeriesSequence = [series]
    document.PredecessorDocumentsSequence = [study]

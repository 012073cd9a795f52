"""The structured report: one a study revision; what it says is in :mod:`reporting.sr.tree`."""

from highdicom import sr
from pydicom import Dataset

from config.language.translation import gettext as _
from inference.findings import ModelIdentity
from reporting.account import MANUFACTURER, Account
from reporting.charset import quiet
from reporting.dicom_object import BuiltObject, equipment
from reporting.identity import document_uid
from reporting.part10 import encode
from reporting.sr.report_classes import ReportClass
from reporting.sr.tree import report_items, report_root

_CONSTRUCTORS = {
    ReportClass.ENHANCED: sr.EnhancedSR,
    ReportClass.COMPREHENSIVE: sr.ComprehensiveSR,
    ReportClass.COMPREHENSIVE_3D: sr.Comprehensive3DSR,
}


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

    Its tree is that of :func:`reporting.sr.tree.report_items`. The report is complete, unverified and
    preliminary: no person has seen it.

    Parameters
    ----------
    account
        What to say.
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
            evidence=[source.evidence() for source in account.sources],
            content=report_root(),
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
        document.ContentSequence = report_items(account)  # now, as highdicom's constructor copies what it is given
        content = encode(document, account.lead.identity(), account.lead.character_set)
    return BuiltObject(instance_uid, series_uid, report_class.value, content)


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

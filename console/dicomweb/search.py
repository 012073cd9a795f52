"""QIDO-RS (PS3.18 10.6): studies, the series of a study, and instances."""

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from starlette.exceptions import HTTPException

from console.dicomweb import json_model
from console.dicomweb.address import PREFIX, Uid, instance_address, series_address, study_address
from console.dicomweb.held import Held
from console.dicomweb.json_model import element
from console.dicomweb.query import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS, Search, read_search
from console.site import READ, Site, visitor
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.lists import holdings
from tracking.lists.holdings import HeldInstance, HeldStudy

_SERIES_FIELDS = ("SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime", "PerformedProcedureStepStartDate",
                  "PerformedProcedureStepStartTime")  # fmt: skip
_INSTANCE_FIELDS = ("InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames")


def routes(site: Site) -> APIRouter:
    """Return the routes of the searches."""
    pages = Searches(site)
    router = APIRouter(prefix=PREFIX)
    router.api_route("/studies", **READ)(pages.studies)
    router.api_route("/studies/{study}/series", **READ)(pages.series)
    router.api_route("/studies/{study}/instances", **READ)(pages.study_instances)
    router.api_route("/studies/{study}/series/{series}/instances", **READ)(pages.instances)
    return router


class Searches:
    """The searches; each is noted."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._held = Held(site)

    def studies(self, request: Request) -> Response:
        """Find studies, the latest first."""
        search = read_search(request.query_params.multi_items(), STUDY_KEYS)
        with self._site.database.reading() as read:
            found = holdings.find_held_studies(read, search.study_match(), limit=search.limit, offset=search.offset)
        with self._site.database.transaction() as tx:
            detail: audit.Detail = {"what": "studies", "how": "dicomweb", "rows": len(found)}
            audit.append(tx, AuditEventType.STUDIES_LISTED, detail=detail | visitor(request))
        return _answer(_study(study) for study in found)

    def series(self, request: Request, study: Uid) -> Response:
        """Find the series of a study."""
        search = read_search(request.query_params.multi_items(), SERIES_KEYS)
        held = self._held.study(request, study, "series")
        by_series: dict[str, list[HeldInstance]] = {}
        for instance in held.instances:
            by_series.setdefault(instance.series_uid, []).append(instance)
        wanted, modality = search.uids("SeriesInstanceUID"), search.keys.get("Modality")
        found = [
            instances
            for uid, instances in by_series.items()
            if (not wanted or uid in wanted) and modality in {None, instances[0].modality}
        ]
        return _answer(self._series(instances, search) for instances in _part(found, search))

    def study_instances(self, request: Request, study: Uid) -> Response:
        """Find the instances of a study."""
        return self._instances(request, study, None)

    def instances(self, request: Request, study: Uid, series: Uid) -> Response:
        """Find the instances of a series."""
        return self._instances(request, study, series)

    def _instances(self, request: Request, study: str, series: str | None) -> Response:
        search = read_search(request.query_params.multi_items(), INSTANCE_KEYS | SERIES_KEYS)
        held = self._held.study(request, study, "instances")
        uids, classes = search.uids("SOPInstanceUID"), search.uids("SOPClassUID")
        in_series, modality = search.uids("SeriesInstanceUID"), search.keys.get("Modality")
        found = [
            entry
            for entry in held.instances
            if series in {None, entry.series_uid}
            and (not uids or entry.instance_uid in uids)
            and (not classes or entry.sop_class_uid in classes)
            and (not in_series or entry.series_uid in in_series)
            and modality in {None, entry.modality}
        ]
        return _answer(self._instance(entry, search) for entry in _part(found, search))

    def _series(self, instances: Sequence[HeldInstance], search: Search) -> str:
        first = instances[0]
        said = self._header_fields(first, _SERIES_FIELDS, search)
        said.add(element("Modality", "CS", first.modality))
        said.add(element("StudyInstanceUID", "UI", first.study_uid))
        said.add(element("SeriesInstanceUID", "UI", first.series_uid))
        said.add(element("NumberOfSeriesRelatedInstances", "IS", len(instances)))
        said.add(element("RetrieveURL", "UR", series_address(first.study_uid, first.series_uid)))
        return json_model.encode(said)

    def _instance(self, instance: HeldInstance, search: Search) -> str:
        said = self._header_fields(instance, _INSTANCE_FIELDS, search)
        uids = (instance.study_uid, instance.series_uid, instance.instance_uid)
        said.add(element("SOPClassUID", "UI", instance.sop_class_uid))
        said.add(element("SOPInstanceUID", "UI", instance.instance_uid))
        said.add(element("Modality", "CS", instance.modality))
        said.add(element("InstanceAvailability", "CS", "ONLINE"))
        said.add(element("StudyInstanceUID", "UI", instance.study_uid))
        said.add(element("SeriesInstanceUID", "UI", instance.series_uid))
        said.add(element("AvailableTransferSyntaxUID", "UI", instance.transfer_syntax_uid))
        said.add(element("RetrieveURL", "UR", instance_address(*uids)))
        return json_model.encode(said)

    def _header_fields(self, instance: HeldInstance, keywords: Sequence[str], search: Search) -> Dataset:
        """Return what the header of the file says of some attributes; nothing where it cannot be read any more."""
        said = Dataset()
        try:
            header = self._held.header(instance)
        except HTTPException:
            return said
        wanted = {tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None} | search.fields
        for tag in header.keys() if search.all_fields else wanted & {*map(int, header.keys())}:
            said[tag] = header.get_item(tag)
        said.SpecificCharacterSet = header.get("SpecificCharacterSet", "")
        return said


def _study(held: HeldStudy) -> str:
    header, said = held.header, Dataset()
    for keyword, vr, value in (
        ("StudyDate", "DA", header.study_date), ("StudyTime", "TM", header.study_time),
        ("AccessionNumber", "SH", header.accession_number), ("InstanceAvailability", "CS", "ONLINE"),
        ("ModalitiesInStudy", "CS", list(dict.fromkeys(entry.modality for entry in held.instances if entry.modality))),
        ("ReferringPhysicianName", "PN", ""), ("StudyDescription", "LO", header.description),
        ("RetrieveURL", "UR", study_address(header.study_uid)), ("PatientName", "PN", header.patient_name),
        ("PatientID", "LO", header.patient_id), ("IssuerOfPatientID", "LO", header.issuer_of_patient_id),
        ("PatientBirthDate", "DA", header.patient_birth_date), ("PatientSex", "CS", header.patient_sex),
        ("StudyInstanceUID", "UI", header.study_uid), ("StudyID", "SH", ""),
        ("NumberOfStudyRelatedSeries", "IS", len({entry.series_uid for entry in held.instances})),
        ("NumberOfStudyRelatedInstances", "IS", len(held.instances)),
    ):  # fmt: skip
        said.add(element(keyword, vr, value))
    return json_model.encode(said)


def _part(found: Sequence[Any], search: Search) -> Sequence[Any]:
    return found[search.offset : search.offset + search.limit]


def _answer(documents: Iterable[str]) -> Response:
    return Response(json_model.array(documents), media_type=json_model.MEDIA_TYPE)

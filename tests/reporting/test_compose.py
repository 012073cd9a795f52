"""From an analysis to documents and deliveries, once, whatever is wrong with one of them."""

import errno
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import select

import reporting.capture.capture_drafts
import reporting.compose
import reporting.sr.report_drafts
from config.errors import DocumentRejected, StorageFull
from config.settings import Settings
from inference.findings import Finding
from inference.pixels import read_picture
from reporting.capture.radiograph_cache import RadiographCache
from reporting.compose import ReportHandler
from tests.accounts import mapped_findings
from tracking.audit_log import audit
from tracking.jobs import maintenance, queue
from tracking.lists import queries
from tracking.lists.queries import left_out_by_study
from tracking.outbox import deliveries
from tracking.studies import corrections
from tracking.tables.models import Delivery, Document


def rows(database: Any) -> tuple[list[Document], list[tuple[str, str]]]:
    with database.reading() as read:
        documents = list(read.scalars(select(Document).order_by(Document.id)))
        routed = read.execute(
            select(Document.kind, Delivery.destination).join(Delivery, Delivery.document_id == Document.id)
        )
        return documents, sorted((kind, name) for kind, name in routed)


def read(settings: Settings, document: Document) -> Any:
    return pydicom.dcmread(BytesIO((settings.document_dir / document.path).read_bytes()))


def test_each_kind_goes_to_whoever_wants_it(
    studies: Any, with_destinations: Callable[..., Settings], phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    first = phantom(1)
    uid = studies.receive(first)
    lateral = studies.receive(phantom(1, study_uid=str(first.StudyInstanceUID), instance_number=2))
    settings = with_destinations()
    job = studies.analyse(str(first.StudyInstanceUID), {uid: opacity_findings, lateral: "it is a lateral view"})
    studies.report(settings, job)
    documents, routes = rows(studies.database)
    assert [document.kind for document in documents] == ["sr", "sc", "hl7"]
    assert all(document.quarantined is None for document in documents)
    assert routes == [("hl7", "ris"), ("sc", "pacs"), ("sc", "viewer"), ("sr", "pacs")]
    structured = read(settings, documents[0])
    assert structured.PatientID == first.PatientID
    assert "it is a lateral view" in (settings.document_dir / documents[2].path).read_text()
    assert str(documents[0].uid) in (settings.document_dir / documents[2].path).read_text()


def test_a_score_map_is_built_for_whoever_takes_it_and_only_where_there_is_one(
    studies: Any, with_destinations: Callable[..., Settings], phantom: Any
) -> None:
    first = phantom(1)
    study_uid, uid = str(first.StudyInstanceUID), studies.receive(first)
    other = studies.receive(phantom(1, study_uid=study_uid, instance_number=2))
    job = studies.analyse(study_uid, {uid: mapped_findings(), other: mapped_findings(0.1)})
    settings = with_destinations()
    pacs, *others = settings.destinations
    wanting = pacs.model_copy(update={"documents": ("sr", "map")})
    studies.report(settings, job)
    assert [document.kind for document in rows(studies.database)[0]] == ["sr", "sc", "sc", "hl7"]
    studies.report(settings.model_copy(update={"destinations": (wanting, *others)}), job)
    documents, routes = rows(studies.database)
    (built,) = (document for document in documents if document.kind == "map")
    assert built.quarantined is None
    assert ("map", "pacs") in routes
    assert ("map", "viewer") not in routes
    document = read(settings, built)
    assert document.SourceImageSequence[0].ReferencedSOPInstanceUID == uid
    assert (document.SeriesNumber, document.PatientID) == (9003, first.PatientID)


def test_without_destinations_report_and_capture_are_kept_and_no_message_is_made(
    studies: Any, settings: Settings, phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    image = phantom()
    uid = studies.receive(image)
    studies.report(settings, studies.analyse(str(image.StudyInstanceUID), {uid: opacity_findings}))
    documents, routes = rows(studies.database)
    assert [document.kind for document in documents] == ["sr", "sc"]
    assert routes == []


def test_what_documents_leave_empty_is_noted_once_for_the_operator_and_in_no_document(
    studies: Any, with_destinations: Callable[..., Settings], phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    image = phantom()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.AccessionNumber = "RAD/2020/0131/000012345"
        uid = studies.receive(image)
    settings = with_destinations()
    study_uid = str(image.StudyInstanceUID)
    job = studies.analyse(study_uid, {uid: opacity_findings})
    for _ in range(2):
        studies.report(settings, job)
    documents, _ = rows(studies.database)
    assert read(settings, documents[0]).AccessionNumber == ""
    assert b"has 23 characters" not in (settings.document_dir / documents[0].path).read_bytes()
    assert "RAD/2020/0131/000012345" in (settings.document_dir / documents[2].path).read_text()
    with studies.database.reading() as reading:
        summary = queries.find_study(reading, study_uid)
        lines = [line for line in audit.lines(reading, study_uid=study_uid) if "left_out" in line.detail]
        assert left_out_by_study(reading) == {study_uid: 1}
    assert summary is not None
    (remark,) = summary.remarks
    assert (remark.instance_uid, remark.kind) == (uid, "attribute-left-out")
    assert remark.text.startswith("Accession Number has 23 characters where DICOM allows 16")
    assert len(lines) == 1
    assert "RAD" not in str(lines[0].detail)


def test_a_report_is_on_its_way_before_the_captures_are_drawn_and_building_again_adds_nothing(
    studies: Any, with_destinations: Callable[..., Settings], phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    image = phantom()
    uid = studies.receive(image)
    settings = with_destinations()
    job = studies.analyse(str(image.StudyInstanceUID), {uid: opacity_findings})
    parts = ReportHandler(settings, studies.database).run(job)
    with studies.database.transaction() as tx:
        next(parts)(tx)
    begun, routes = rows(studies.database)
    assert [document.kind for document in begun] == ["sr"]
    assert routes == [("sr", "pacs")]
    for _ in range(2):  # the process died there; later somebody asks for all of it again
        studies.report(settings, job)
        documents, routes = rows(studies.database)
        assert [document.kind for document in documents] == ["sr", "sc", "hl7"]
        assert routes == [("hl7", "ris"), ("sc", "pacs"), ("sc", "viewer"), ("sr", "pacs")]
        assert (documents[0].id, documents[0].sha256) == (begun[0].id, begun[0].sha256)


def test_a_rebuild_is_the_same_to_the_byte_and_adds_nothing(
    studies: Any, with_destinations: Callable[..., Settings], phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    image = phantom()
    uid = studies.receive(image)
    settings = with_destinations()
    job = studies.analyse(str(image.StudyInstanceUID), {uid: opacity_findings})
    studies.report(settings, job)
    before, routes = rows(studies.database)
    files = {path: path.read_bytes() for path in settings.document_dir.rglob("*") if path.is_file()}
    studies.report(settings, job)
    after, routes_after = rows(studies.database)
    assert [(d.uid, d.sha256) for d in before] == [(d.uid, d.sha256) for d in after]
    assert routes == routes_after
    assert {path: path.read_bytes() for path in settings.document_dir.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("sent", [False, True])
def test_a_report_points_back_to_one_that_was_sent_and_to_no_other(
    studies: Any,
    with_destinations: Callable[..., Settings],
    phantom: Any,
    opacity_findings: tuple[Finding, ...],
    sent: bool,
) -> None:
    """The second revision was rejected before its documents left; the first was sent, or rejected likewise."""
    study = str(phantom(1).StudyInstanceUID)
    uids = [studies.receive(phantom(1, study_uid=study, instance_number=number)) for number in (1, 2, 3)]
    settings = with_destinations()
    for revision, rejected in ((1, uids[0]), (2, uids[1]), (3, None)):
        studies.begin_analysis()
        found = dict.fromkeys(uids[revision - 1 :], opacity_findings)
        studies.report(settings, studies.analyse(study, found, revision=revision))
        with studies.database.transaction() as tx:
            if revision == 1 and sent:
                for delivery_id in tx.scalars(select(Delivery.id)).all():
                    deliveries.record_delivered(tx, delivery_id, "0000")
            if rejected is not None:
                corrections.reject_instance(tx, study, rejected, user="operator")
    documents, _ = rows(studies.database)
    first, _, last = (document for document in documents if document.kind == "sr")
    report = read(settings, last)
    message = [(settings.document_dir / d.path).read_text() for d in documents if d.kind == "hl7"][-1]
    if sent:
        (reference,) = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == first.uid
    assert ("PredecessorDocumentsSequence" in report) is sent
    assert ("RAD|C" in message) is sent


def test_a_later_revision_corrects_and_points_back(
    studies: Any, with_destinations: Callable[..., Settings], phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    image = phantom(1)
    study = str(image.StudyInstanceUID)
    uid = studies.receive(image)
    settings = with_destinations()
    studies.begin_analysis()
    studies.report(settings, studies.analyse(study, {uid: opacity_findings}))
    late = studies.receive(phantom(1, study_uid=study, instance_number=2))
    studies.report(settings, studies.analyse(study, {uid: opacity_findings, late: opacity_findings}, revision=2))
    documents, _ = rows(studies.database)
    first, second = [document for document in documents if document.kind == "sr"]
    assert first.uid != second.uid
    predecessor = read(settings, second).PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert predecessor.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.uid
    messages = [(settings.document_dir / d.path).read_text() for d in documents if d.kind == "hl7"]
    assert "RAD|P" in messages[0]
    assert "RAD|C" in messages[1]


def reject(*_: object) -> None:
    """Find a document invalid."""
    raise DocumentRejected("the template is not TID 1500")


def test_what_fails_its_check_is_quarantined_and_the_rest_goes_on(
    studies: Any,
    with_destinations: Callable[..., Settings],
    phantom: Any,
    opacity_findings: tuple[Finding, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporting.sr.report_drafts, "check_report", reject)
    image = phantom()
    uid = studies.receive(image)
    settings = with_destinations()
    studies.report(settings, studies.analyse(str(image.StudyInstanceUID), {uid: opacity_findings}))
    documents, routes = rows(studies.database)
    assert {document.kind: document.quarantined for document in documents} == {
        "sr": "the template is not TID 1500", "sc": None, "hl7": None,
    }  # fmt: skip
    assert ("sr", "pacs") not in routes
    assert len(routes) == 3
    message = next((settings.document_dir / d.path).read_text() for d in documents if d.kind == "hl7")
    assert documents[0].uid not in message


def test_what_was_quarantined_is_built_again_when_its_cause_is_mended(
    studies: Any,
    with_destinations: Callable[..., Settings],
    phantom: Any,
    opacity_findings: tuple[Finding, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = phantom()
    study, uid = str(image.StudyInstanceUID), studies.receive(image)
    settings = with_destinations()
    studies.analyse(study, {uid: opacity_findings})
    due = queue.claim(studies.database, ("report",), "test/1/1", 60_000)
    assert due is not None
    with monkeypatch.context() as broken:
        broken.setattr(reporting.sr.report_drafts, "check_report", reject)
        studies.report(settings, due)
    with studies.database.transaction() as tx:
        queue.finish(tx, due)
    with studies.database.transaction() as tx:
        assert maintenance.retry_study(tx, study) == 1
    again = queue.claim(studies.database, ("report",), "test/1/1", 60_000)
    assert again is not None
    assert again.key == due.key
    studies.report(settings, again)
    documents, routes = rows(studies.database)
    assert {document.kind: document.quarantined for document in documents} == {"sr": None, "sc": None, "hl7": None}
    assert ("sr", "pacs") in routes
    assert read(settings, documents[0]).SOPInstanceUID == documents[0].uid
    with studies.database.reading() as tx:
        built = [line.detail["kind"] for line in audit.lines(tx) if line.type == "documents-built"]
    assert sorted(built) == ["hl7", "sc", "sr"]
    with studies.database.transaction() as tx:
        queue.finish(tx, again)
        assert maintenance.retry_study(tx, study) == 0


def test_a_fault_of_ours_costs_one_document(
    studies: Any,
    with_destinations: Callable[..., Settings],
    phantom: Any,
    opacity_findings: tuple[Finding, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("Müller^Jörg")

    monkeypatch.setattr(reporting.capture.capture_drafts, "build_capture", crash)
    image = phantom()
    uid = studies.receive(image)
    studies.report(with_destinations(), studies.analyse(str(image.StudyInstanceUID), {uid: opacity_findings}))
    documents, routes = rows(studies.database)
    reasons = {document.kind: document.quarantined for document in documents}
    assert "ZeroDivisionError" in str(reasons["sc"])
    assert "Müller" not in str(reasons["sc"])
    assert routes == [("hl7", "ris"), ("sr", "pacs")]


def test_a_full_disk_is_worth_another_try(
    studies: Any,
    settings: Settings,
    phantom: Any,
    opacity_findings: tuple[Finding, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reporting.compose, "write_document", full)
    image = phantom()
    job = studies.analyse(str(image.StudyInstanceUID), {studies.receive(image): opacity_findings})
    with pytest.raises(StorageFull):
        next(ReportHandler(settings, studies.database).run(job))


def test_a_capture_is_the_same_from_the_cache_and_from_the_file(
    studies: Any,
    settings: Settings,
    phantom: Any,
    opacity_findings: tuple[Finding, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = phantom()
    uid = studies.receive(image)
    job = studies.analyse(str(image.StudyInstanceUID), {uid: opacity_findings})
    studies.report(settings, job)
    path = settings.instance_dir / f"{uid}.dcm"
    cache = RadiographCache(settings.report.capture_longest_side)
    cache.put(path, read_picture(path, 10_000_000))
    with monkeypatch.context() as patch:
        patch.setattr(reporting.compose, "read_picture", None)  # nobody asks the file
        again = list(ReportHandler(settings, studies.database, cache.take).run(job))
    with studies.database.transaction() as tx:
        for commit in again:
            commit(tx)
    documents, _ = rows(studies.database)
    assert [document.kind for document in documents] == ["sr", "sc"]
    assert all(document.quarantined is None for document in documents)
    assert len(list(settings.document_dir.rglob("*.dcm"))) == 2
    assert cache.take(path) is None


def test_an_image_that_can_no_longer_be_read_is_named_and_the_others_reported(
    studies: Any, settings: Settings, phantom: Any, opacity_findings: tuple[Finding, ...]
) -> None:
    image = phantom(1)
    uid = studies.receive(image)
    other = studies.receive(phantom(1, study_uid=str(image.StudyInstanceUID), instance_number=2))
    (settings.instance_dir / f"{other}.dcm").write_bytes(b"rubbish")
    outcomes = {uid: opacity_findings, other: opacity_findings}
    job = studies.analyse(str(image.StudyInstanceUID), outcomes)
    studies.report(settings, job)
    documents, _ = rows(studies.database)
    assert [document.kind for document in documents] == ["sr", "sc"]
    assert b"can no longer be read" in (settings.document_dir / documents[0].path).read_bytes()
    Path(settings.instance_dir / f"{uid}.dcm").write_bytes(b"rubbish")
    with pytest.raises(DocumentRejected):
        next(ReportHandler(settings, studies.database).run(job))

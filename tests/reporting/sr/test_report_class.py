"""Each destination gets its structured report in a class that it takes, once, or is known to take none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from sqlalchemy import select

from config.destinations import DicomDestination
from config.errors import RefusedByPeer
from config.settings import DeliverySettings, Settings, WorkSettings
from inference.findings import Finding
from reporting.compose import ReportHandler
from reporting.delivery.deliver import DeliverHandler
from reporting.sr.report_classes import ReportClass
from tracking.jobs.loop import Lane, WorkLoop
from tracking.jobs.queue import Job
from tracking.lists import queries
from tracking.outbox.deliveries import retry_deliveries
from tracking.outbox.taken_classes import taken_classes
from tracking.tables.models import AuditEvent, Delivery, Document

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
THREE_D, COMPREHENSIVE, ENHANCED = (
    ReportClass.COMPREHENSIVE_3D.value, ReportClass.COMPREHENSIVE.value, ReportClass.ENHANCED.value
)  # fmt: skip


@contextmanager
def archive(classes: Sequence[str], *syntaxes: str) -> Iterator[tuple[int, list[Dataset]]]:
    """Run a Storage SCP that takes these classes; give its port and what it has."""
    received: list[Dataset] = []

    def store(event: evt.Event) -> int:
        received.append(event.dataset)
        return 0

    ae = AE("ARCHIVE")
    for uid in classes:
        ae.add_supported_context(uid, list(syntaxes) or None)  # pynetdicom: None is its default syntaxes
    ae.add_supported_context("1.2.840.10008.1.1")
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield server.socket.getsockname()[1], received
    finally:
        server.shutdown()


class Node:
    """Reports studies and delivers what is due, as the services would."""

    def __init__(self, studies: Any, phantom: Any, findings: tuple[Finding, ...]) -> None:
        self.studies, self.phantom, self.findings = studies, phantom, findings
        self.made = 0

    def report(self, settings: Settings, study_uid: str | None = None, revision: int = 1) -> str:
        """Analyse and report one more image, by default as a study of its own; return the study's UID."""
        self.made += 1
        number = 1 if study_uid else self.made
        image = self.phantom(number, **({"study_uid": study_uid, "instance_number": self.made} if study_uid else {}))
        uid = str(image.StudyInstanceUID)
        instance = self.studies.receive(image)
        job = self.studies.analyse(uid, {instance: self.findings}, revision=revision)
        self.studies.report(settings, job)
        return uid

    def deliver(self, settings: Settings) -> None:
        """Run the deliver queue until nothing is due."""
        handler = DeliverHandler(settings, self.studies.database)
        loop = WorkLoop(
            self.studies.database, {"deliver": handler}, [Lane(("deliver",))], WorkSettings(), DeliverySettings()
        )
        loop.run_until_idle()

    def deliveries(self) -> list[tuple[str, str, str]]:
        """Return (kind, SOP class, state) of every delivery."""
        with self.studies.database.reading() as read:
            rows = read.execute(
                select(Document.kind, Document.sop_class_uid, Delivery.state).join(Delivery).order_by(Delivery.id)
            )
            return [(kind, uid, state) for kind, uid, state in rows if kind == "sr"]

    def lines(self, event: str) -> list[str]:
        """Return the detail of the audit lines of one type."""
        with self.studies.database.reading() as read:
            return list(
                read.scalars(select(AuditEvent.detail).where(AuditEvent.type == event).order_by(AuditEvent.seq))
            )


@pytest.fixture
def node(studies: Any, phantom: Any, opacity_findings: tuple[Finding, ...]) -> Node:
    """A node with its store and database."""
    return Node(studies, phantom, opacity_findings)


def sending_to(settings: Settings, port: int, **changes: Any) -> Settings:
    """Return settings with one DICOM destination."""
    to = DicomDestination(kind="dicom", name="pacs", host="127.0.0.1", port=port, ae_title="ARCHIVE", **changes)
    return settings.model_copy(update={"destinations": (to,)})


@pytest.mark.parametrize(
    ("accepted", "arrives"),
    [
        ((THREE_D, COMPREHENSIVE, ENHANCED), THREE_D),
        ((COMPREHENSIVE, ENHANCED), COMPREHENSIVE),
        ((COMPREHENSIVE,), COMPREHENSIVE),
        ((ENHANCED,), ENHANCED),
    ],
)
def test_the_report_arrives_in_the_first_class_that_the_destination_takes(
    node: Node, settings: Settings, accepted: tuple[str, ...], arrives: str
) -> None:
    with archive((*accepted, CAPTURE)) as (port, received):
        there = sending_to(settings, port)
        node.report(there)
        node.deliver(there)
        node.report(there)
        node.deliver(there)
    reports = [ds for ds in received if ds.Modality == "SR"]
    assert [ds.SOPClassUID for ds in reports] == [arrives, arrives]
    assert len({ds.SOPInstanceUID for ds in received}) == len(received) == 4
    assert node.deliveries() == [("sr", arrives, "delivered")] * 2
    assert len(node.lines("report-class-changed")) == (arrives != THREE_D)
    assert len([line for line in node.lines("delivery-done") if '"kind":"sr"' in line]) == 2
    with node.studies.database.reading() as read:
        assert taken_classes(read) == {"pacs": arrives}


def test_a_destination_without_structured_reports_gets_the_capture_and_the_study_is_delivered(
    node: Node, settings: Settings
) -> None:
    with archive((CAPTURE,)) as (port, received):
        there = sending_to(settings, port)
        study = node.report(there)
        node.deliver(there)
        assert [ds.SOPClassUID for ds in received] == [CAPTURE]
        assert node.deliveries() == [("sr", THREE_D, "not-taken")]
        assert len(node.lines("report-class-changed")) == 1
        assert len(node.lines("delivery-stopped")) == 1
        with node.studies.database.reading() as read:
            summary = queries.find_study(read, study)
            (destination,) = queries.destinations(read)
        assert summary is not None
        assert summary.status != "attention"
        assert all(way.state in {"delivered", "not-taken"} for way in summary.deliveries)
        assert destination.not_taken == 1
        node.report(there)
        node.deliver(there)
    assert len(node.lines("report-class-changed")) == 1
    assert len(node.lines("delivery-stopped")) == 2


def test_a_destination_that_takes_nothing_gets_no_report_and_its_capture_stops(node: Node, settings: Settings) -> None:
    with archive(()) as (port, received):
        there = sending_to(settings, port)
        node.report(there)
        node.deliver(there)
    assert received == []
    assert node.deliveries() == [("sr", THREE_D, "not-taken")]
    assert len(node.lines("report-class-changed")) == 1
    assert len([line for line in node.lines("delivery-stopped") if '"kind":"sr"' in line]) == 1


def test_a_destination_that_learnt_to_take_reports_gets_the_next_and_an_old_one_when_asked(
    node: Node, settings: Settings
) -> None:
    with archive((CAPTURE,)) as (port, _):
        there = sending_to(settings, port)
        study = node.report(there)
        node.deliver(there)
    with archive((CAPTURE, ENHANCED)) as (port, received):
        there = sending_to(settings, port)
        node.report(there)
        node.deliver(there)
        assert [ds.SOPClassUID for ds in received if ds.Modality == "SR"] == [ENHANCED]
        with node.studies.database.transaction() as tx:
            assert retry_deliveries(tx, destination="pacs") == 0
            assert retry_deliveries(tx, study_uid=study) == 1
        node.deliver(there)
        assert len([ds for ds in received if ds.Modality == "SR"]) == 2
    assert {state for _, _, state in node.deliveries()} == {"delivered"}


def test_a_class_that_the_site_fixed_is_sent_also_when_another_was_built(node: Node, settings: Settings) -> None:
    with archive((THREE_D, COMPREHENSIVE, CAPTURE)) as (port, received):
        node.report(sending_to(settings, port))
        there = sending_to(settings, port, report_class="comprehensive")
        node.deliver(there)
        node.report(there)
        node.deliver(there)
    assert [ds.SOPClassUID for ds in received if ds.Modality == "SR"] == [COMPREHENSIVE] * 2
    assert node.lines("report-class-changed") == []


def test_a_class_that_the_site_fixed_and_the_destination_refuses_stops_and_says_so(
    node: Node, settings: Settings
) -> None:
    with archive((THREE_D, CAPTURE)) as (port, received):
        there = sending_to(settings, port, report_class="enhanced")
        node.report(there)
        node.deliver(there)
    assert [ds.SOPClassUID for ds in received] == [CAPTURE]
    assert node.deliveries() == [("sr", ENHANCED, "stopped")]
    with node.studies.database.reading() as read:
        (error,) = read.scalars(select(Delivery.error).where(Delivery.state == "stopped"))
    assert 'report_class = "auto"' in str(error)


def test_a_transfer_syntax_that_is_not_taken_is_no_missing_class(node: Node, settings: Settings) -> None:
    with archive((THREE_D, COMPREHENSIVE), "1.2.840.10008.1.2") as (port, _):
        there = sending_to(settings, port)
        node.report(there)
        (job_id,) = _jobs(node, "sr")
        with pytest.raises(RefusedByPeer, match="Explicit VR Little Endian"):
            DeliverHandler(there, node.studies.database).run(_job(job_id))
    with node.studies.database.reading() as read:
        assert taken_classes(read) == {}


def test_a_process_that_dies_before_it_writes_decides_the_same_again(node: Node, settings: Settings) -> None:
    with archive((COMPREHENSIVE, CAPTURE)) as (port, received):
        there = sending_to(settings, port)
        node.report(there)
        (job_id,) = _jobs(node, "sr")
        for _ in range(2):
            assert DeliverHandler(there, node.studies.database).run(_job(job_id)) is not None
        assert received == []
        assert node.deliveries() == [("sr", THREE_D, "waiting")]
        node.deliver(there)
    assert [ds.SOPClassUID for ds in received if ds.Modality == "SR"] == [COMPREHENSIVE]
    assert len(list(there.document_dir.rglob("*.dcm"))) == 3


def test_building_again_sends_no_second_report(node: Node, settings: Settings) -> None:
    with archive((COMPREHENSIVE, CAPTURE)) as (port, received):
        there = sending_to(settings, port)
        node.report(there)
        node.deliver(there)
        with node.studies.database.reading() as read:
            (analysis_id,) = read.scalars(select(Document.analysis_id).where(Document.kind == "sr").distinct())
        for fixed in ("auto", "comprehensive-3d"):
            changed = sending_to(settings, port, report_class=fixed)
            job = _job(0, {"analysis_id": analysis_id})
            node.studies.report(changed, job)
            node.deliver(changed)
    assert len([ds for ds in received if ds.Modality == "SR"]) == 1


def test_the_report_of_a_revision_points_to_the_one_that_the_destination_has(node: Node, settings: Settings) -> None:
    with archive((COMPREHENSIVE, CAPTURE)) as (port, received):
        there = sending_to(settings, port)
        study = node.report(there)
        node.studies.begin_analysis()
        node.report(there, study, revision=2)
        node.deliver(there)
    first, second = (ds for ds in received if ds.Modality == "SR")
    reference = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert reference.ReferencedSOPSequence[0].ReferencedSOPClassUID == first.SOPClassUID
    assert reference.SeriesInstanceUID == first.SeriesInstanceUID


def test_the_content_is_the_same_in_every_class(node: Node, settings: Settings) -> None:
    with archive((THREE_D, CAPTURE)) as (port, _):
        there = sending_to(settings, port)
        node.report(there)
        node.deliver(there)
        changed = sending_to(settings, port, report_class="enhanced")
        with node.studies.database.reading() as read:
            (analysis_id,) = read.scalars(select(Document.analysis_id).where(Document.kind == "sr").distinct())
        next(ReportHandler(changed, node.studies.database).run(_job(0, {"analysis_id": analysis_id})))
    documents = [dcmread(path) for path in there.document_dir.rglob("*.dcm")]
    ours, other = (ds for ds in sorted(documents, key=lambda ds: ds.SOPClassUID, reverse=True) if ds.Modality == "SR")
    assert ours.SOPInstanceUID != other.SOPInstanceUID
    assert ours.SeriesInstanceUID != other.SeriesInstanceUID
    assert ours.ContentSequence == other.ContentSequence


def _jobs(node: Node, kind: str) -> list[int]:
    with node.studies.database.reading() as read:
        return list(read.scalars(select(Delivery.id).join(Document).where(Document.kind == kind)))


def _job(delivery_id: int, payload: dict[str, int] | None = None) -> Job:
    return Job(delivery_id, "", "deliver", "pacs", payload or {"delivery_id": delivery_id}, 1, 0, 0, 0)

"""What the doctor says of documents and deliveries that wait for a person."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.destinations import DicomDestination
from config.settings import Settings
from cxrnode.doctor import machine, sending
from cxrnode.doctor.check import Check
from cxrnode.doctor.examine import examine
from tests.authority import Authority
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import maintenance, queue
from tracking.outbox import deliveries, documents
from tracking.outbox.documents import DocumentRecord
from tracking.outbox.taken_classes import record_taken
from tracking.people import users
from tracking.people.roles import Role
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, Registered, StudyHeader, register_conflict, register_instance

FINDING = FindingRecord("lung_opacity", "112001", "DCM", "Opacity", 0.8, "present", True, {})
REFUSAL = "PACS refuses SR: SOP class not supported"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(node={"data_dir": tmp_path / "data"}, receive={"min_free_disk_bytes": 0})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    (settings.node.data_dir).mkdir()
    opened = Database.open(settings.database_url())
    schema.ensure(opened)
    yield opened
    opened.close()


def analyse(database: Database, number: int, *destinations: str, quarantined: str | None = None) -> None:
    """Record a study with one analysis and one document, bound for these destinations."""
    study_uid, instance_uid = f"1.9.{number}", f"1.1.{number}"
    incoming = IncomingInstance(
        instance_uid=instance_uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path="ab/cd",
        calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1",
        study=StudyHeader(study_uid, patient_name="Doe^Jane"),
    )  # fmt: skip
    outcomes = (OutcomeRecord(instance_uid, None, None, (FINDING,)),)
    document = DocumentRecord("sr", f"2.25.{number}", "2.25.1", "1.2", "x.dcm", "s" * 64, 9, quarantined)
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
    with database.transaction() as tx:
        record_analysis(tx, AnalysisRecord(study_uid, 1, "m", "1.0", "d" * 64, "litert", 0.1, outcomes, {"read": 0.01}))
    with database.transaction() as tx:
        documents.record_documents(tx, number, [document], [(document.uid, name) for name in destinations])
    for name in ("analyse", "report"):
        job = queue.claim(database, [name], "here/1/1/1.0", 60_000)
        assert job is not None
        with database.transaction() as tx:
            queue.finish(tx, job)


def stop_delivery(database: Database) -> None:
    """Let the next delivery stop for good, as the loop and its handler write it."""
    job = queue.claim(database, ["deliver"], "here/1/1/1.0", 60_000)
    assert job is not None
    with database.transaction() as tx:
        queue.stop(tx, job, REFUSAL)
        deliveries.record_attempt_failed(tx, job.payload["delivery_id"], REFUSAL, stopped=True)


def looked_at(settings: Settings, monkeypatch: pytest.MonkeyPatch, *, quick: bool = False) -> dict[str, Check]:
    """Return the doctor's checks by name, without those that take their time."""
    for module, slow in ((machine, "decoders"), (machine, "model_packages"), (sending, "destinations")):
        monkeypatch.setattr(module, slow, lambda _: iter(()))
    return {check.name: check for check in examine(settings, quick=quick)}


def test_a_node_without_any_is_well(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    analyse(database, 1, "pacs")
    found = looked_at(settings, monkeypatch)
    assert found["documents"] == Check("documents", "ok", "none quarantined")
    assert found["deliveries"] == Check("deliveries", "ok", "none stopped for good")


def test_quarantined_documents_are_counted_with_the_commands_that_explain_and_cure(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse(database, 1, quarantined="(0040,A730) is missing")
    check = looked_at(settings, monkeypatch)["documents"]
    assert check.stopped
    assert (check.state, check.found) == (
        "warning", "1 quarantined: built, but refused by its own conformance check (study 1.9.1)",
    )  # fmt: skip
    assert "`cxrnode study 1.9.1`" in check.cure
    assert "`cxrnode retry 1.9.1`" in check.cure
    analyse(database, 2, quarantined="(0040,A730) is missing")
    assert looked_at(settings, monkeypatch)["documents"].found.startswith("2 quarantined")
    with database.transaction() as tx:
        assert maintenance.retry_study(tx, "1.9.1") == 1, "the cure starts something"


def test_deliveries_that_stopped_for_good_are_counted_by_destination_with_the_command_that_starts_them_again(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, destinations in enumerate((("pacs", "ris"), ("pacs",), ("archive",)), start=1):
        analyse(database, number, *destinations)
    for _ in range(3):
        stop_delivery(database)
    for quick in (True, False):
        found = looked_at(settings, monkeypatch, quick=quick)
        check = found["deliveries"]
        assert check.state == "warning"
        assert check.stopped
        assert check.found == f"3 stopped for good (2 to pacs, 1 to ris), the latest because: {REFUSAL}"
        assert "`cxrnode study 1.9." in check.cure
        assert "`cxrnode retry --destination pacs`" in check.cure
        assert "`cxrnode retry --destination ris`" in check.cure
        assert "archive" not in check.cure
        assert found["queue"].state == "ok", "said once, with its own cure"
    with database.transaction() as tx:
        for name in ("pacs", "ris"):
            deliveries.retry_deliveries(tx, destination=name)
    assert looked_at(settings, monkeypatch)["deliveries"].state == "ok"


def test_an_analysis_that_stopped_is_the_queues_and_no_delivery(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as tx:
        queue.enqueue(tx, "analyse", "analyse:1.9:1", {"study_uid": "1.9", "revision": 1})
    job = queue.claim(database, ["analyse"], "here/1/1/1.0", 60_000)
    assert job is not None
    with database.transaction() as tx:
        queue.stop(tx, job, "the model package was altered")
    found = looked_at(settings, monkeypatch)
    assert (found["queue"].state, found["queue"].found) == ("warning", "0 waiting, 1 stopped")
    assert found["deliveries"].state == "ok"


def test_refusals_of_the_last_days_are_named_with_the_setting_that_would_change_them(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looked_at(settings, monkeypatch)["refusals"] == Check("refusals", "ok", "none in 7 days")
    caller = {"calling_ae": "PACS", "called_ae": "CXRNODE", "address": "10.0.0.1"}
    sop_class = {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}
    cure = 'add "SC" to receive.accept'
    with database.transaction() as tx:
        refusals.add(tx, {Refusal(RefusalKind.CONTEXT, "SOP class not accepted", cure, **caller, **sop_class): 10})
        refusals.add(tx, {Refusal(RefusalKind.SPARE_CONTEXT, "SOP class not accepted", cure, **caller, **sop_class): 3})
    found = looked_at(settings, monkeypatch)
    check = found["refused context"]
    assert (check.state, check.cure) == ("warning", cure)
    assert check.found.startswith(
        "SOP class not accepted (Secondary Capture Image Storage, calling PACS, called CXRNODE, from 10.0.0.1), 10 "
    )
    assert found["refusals"].state == "ok"
    assert "1 more" in found["refusals"].found


def test_the_quick_doctor_does_not_walk_the_documents(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse(database, 1, quarantined="(0040,A730) is missing")
    assert "documents" not in looked_at(settings, monkeypatch, quick=True)


def test_nothing_of_a_patient_is_said(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    analyse(database, 1, "pacs", quarantined=None)
    analyse(database, 2, quarantined="(0040,A730) is missing")
    stop_delivery(database)
    said = "".join(check.found + check.cure for check in looked_at(settings, monkeypatch).values())
    assert "Doe" not in said


@pytest.mark.parametrize("quick", [True, False])
def test_studies_of_two_patients_and_corrected_images_are_counted_without_saying_whose(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    assert looked_at(settings, monkeypatch, quick=quick)["patients"].state == "ok"
    for uid, patient, digest in (("1.1", "PAT-A", "a"), ("1.2", "PAT-B", "a"), ("1.2", "PAT-A", "b")):
        incoming = IncomingInstance(
            instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256=digest * 64, size=7, path="ab/cd",
            calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1", study=StudyHeader("1.9", "", patient),
        )  # fmt: skip
        with database.transaction() as tx:
            if register_instance(tx, incoming, settle_seconds=0) is Registered.CONFLICT:
                register_conflict(tx, incoming)
    found = looked_at(settings, monkeypatch, quick=quick)
    assert (found["patients"].state, found["corrected images"].state) == ("warning", "warning")
    assert "1 in conflict" in found["patients"].found
    assert "`cxrnode study 1.9`" in found["patients"].cure
    assert "`cxrnode study 1.9`" in found["corrected images"].cure
    assert "PAT-" not in "".join(check.found + check.cure for check in found.values())


def test_an_unusable_database_is_named_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.node.data_dir.mkdir()
    (settings.node.data_dir / "cxrnode.db").write_bytes(b"no database" * 100)
    found = looked_at(settings, monkeypatch)
    assert found["database"].state == "failed"
    assert not {"queue", "deliveries", "documents"} & found.keys()


def test_the_class_of_structured_report_that_a_destination_takes_is_named_and_none_is_worth_a_look(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("new", "old", "simple")
    there = tuple(DicomDestination(kind="dicom", name=name, host="h", port=1, ae_title="PACS") for name in names)
    settings = settings.model_copy(update={"destinations": there})
    with database.transaction() as tx:
        record_taken(tx, "old", "1.2.840.10008.5.1.4.1.1.88.33", assumed="")
        record_taken(tx, "simple", None, assumed="")
    checks = looked_at(settings, monkeypatch)
    found = {name: (checks[f"reports to {name}"].state, checks[f"reports to {name}"].found) for name in names}
    assert found == {
        "new": ("ok", "structured report: not asked yet which class it takes"),
        "old": ("ok", "structured report: Comprehensive SR"),
        "simple": ("warning", "takes no structured report"),
    }


def test_a_console_that_nobody_can_administer_is_named_with_the_cure(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "console" not in looked_at(settings, monkeypatch)
    enabled = Settings(**settings.model_dump() | {"console": {"enabled": True}})
    for role in (Role.RADIOLOGIST, Role.ADMINISTRATOR):
        check = looked_at(enabled, monkeypatch)["console"]
        assert check.state == "warning"
        assert "cxrnode user add" in check.cure
        with database.transaction() as tx:
            users.add(tx, f"dr.{role.value}", role, "hash", by=users.Actor("root"))
    assert looked_at(enabled, monkeypatch)["console"] == Check("console", "ok", "2 of 2 users may log in")


@pytest.mark.fault(
    "a certificate is about to expire",
    promise="doctor says so for 30 days, and so do bell and metrics",
    area="tls",
)
def test_certificates_that_expire_are_named_with_the_cure(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    pairs = {name: authority.issue(name, days=days) for name, days in (("good", 90), ("soon", 3), ("late", -1))}
    destination = {"kind": "hl7", "host": "127.0.0.1", "port": 1, "tls": True}
    destinations = [destination | {"name": name} | pair.options("tls_") for name, pair in pairs.items()]
    told = Settings(**settings.model_dump() | {"destinations": destinations})
    found = looked_at(told, monkeypatch)
    states = {name: found[f"certificate destination {name}"].state for name in pairs}
    assert states == {"good": "ok", "soon": "warning", "late": "failed"}
    assert "late.crt: expired" in found["certificate destination late"].found
    assert "replace certificate and key" in found["certificate destination soon"].cure

"""The command line: exit codes that mean something, tables for people, JSON for scripts."""

import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from config.settings import Settings
from cxrnode.doctor import examine as examination
from cxrnode.doctor import machine
from cxrnode.doctor.check import Check
from dicom_node.storage_scp.receive import Receiver
from tests.authority import Authority
from tests.cxrnode.stores import Result, Run, command_line
from tests.phantoms import phantom_dataset
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.studies.instances import IncomingInstance, Registered, StudyHeader, register_conflict, register_instance
from tracking.tables.standing_models import Standing


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs ``cxrnode`` in an empty folder, with the settings file there if there is one."""
    return command_line(tmp_path, monkeypatch, capsys)


@pytest.fixture
def node(tmp_path: Path) -> Settings:
    """Write a settings file with a node whose database holds a few audit lines."""
    (tmp_path / "cxrnode.toml").write_text('[node]\ndata_dir = "data"\n[receive]\nmin_free_disk_bytes = 0\n')
    settings = Settings(node={"data_dir": tmp_path / "data"})
    database = Database.open(settings.database_url())
    from tracking.engine import schema

    schema.ensure(database)
    with database.transaction() as tx:
        audit.append(tx, AuditEventType.JOB_RETRIED, study_uid="1.2.3", detail={"job": "x"})
    database.close()
    return settings


def test_init_writes_a_file_that_config_check_finds_good_and_never_overwrites(run: Run, tmp_path: Path) -> None:
    assert run("init").returncode == 0
    checked = run("config", "check")
    assert (checked.returncode, "good" in checked.stdout) == (0, True)
    again = run("init")
    assert (again.returncode, "exists already" in again.stderr) == (3, True)


def test_a_wrong_setting_exits_3_and_names_file_key_and_cure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cxrnode.toml").write_text("[receive]\nprot = 104\n")
    result = run("config", "check")
    assert result.returncode == 3
    assert "cxrnode.toml" in result.stderr
    assert "receive.prot" in result.stderr
    assert "did you mean 'port'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_command_line_exits_2(run: Run) -> None:
    assert run("studies", "--limit", "many").returncode == 2


def test_settings_in_force_are_shown_with_secrets_masked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cxrnode.toml").write_text('[database]\nurl = "postgresql://me:hidden@db/x"\n')
    result = run("config", "show")
    assert json.loads(result.stdout)["receive"]["port"] == 11112
    assert "hidden" not in result.stdout


def test_a_fresh_database_is_upgraded_and_its_schema_shown(run: Run) -> None:
    assert run("db", "current").returncode == 1
    assert "none → " in run("db", "upgrade").stdout
    assert run("db", "current").returncode == 0


def test_studies_are_listed_as_json(run: Run, node: Settings) -> None:
    assert json.loads(run("studies", "--json").stdout) == []


def test_an_unknown_study_exits_1_and_says_so(run: Run, node: Settings) -> None:
    result = run("study", "1.2.3.4")
    assert (result.returncode, "no study 1.2.3.4" in result.stderr) == (1, True)


def test_what_is_no_studys_uid_does_not_get_into_the_audit_log(run: Run, node: Settings) -> None:
    assert json.loads(run("audit", "list", "--study", "Doe^Jane", "--json").stdout) == []
    (_, read) = json.loads(run("audit", "list", "--json").stdout)
    assert (read["type"], read["study_uid"]) == ("audit-read", None)


def test_the_audit_log_is_listed_verified_and_exported(run: Run, node: Settings, tmp_path: Path) -> None:
    assert [line["type"] for line in json.loads(run("audit", "list", "--json").stdout)] == ["job-retried"]
    verified = json.loads(run("audit", "verify", "--json").stdout)
    assert verified["problem"] is None
    assert run("audit", "export", "log.xml", "--format", "atna").returncode == 0
    assert "<AuditMessage>" in (tmp_path / "log.xml").read_text()
    assert run("audit", "export", "log.xml", "--format", "atna").returncode == 3
    assert run("audit", "export", "other", "--format", "csv").returncode == 2
    read = [line["type"] for line in json.loads(run("audit", "list", "--json").stdout)]
    assert read == ["job-retried", "audit-read", "audit-read"]


def test_the_audit_log_is_exported_to_any_name_and_the_name_is_told_whole(run: Run, node: Settings) -> None:
    result = run("audit", "export", "lines of [bold]May.jsonl")
    assert (result.returncode, result.stdout) == (0, "1 lines written to lines of [bold]May.jsonl\n")


def test_a_tampered_audit_log_exits_1(run: Run, node: Settings) -> None:
    import sqlite3

    connection = sqlite3.connect(node.node.data_dir / "cxrnode.db")
    connection.executescript("DROP TRIGGER audit_event_no_update; UPDATE audit_event SET detail = '{}' WHERE seq = 1")
    connection.close()
    result = run("audit", "verify")
    assert (result.returncode, "broken" in result.stdout) == (1, True)


def test_sending_to_a_port_where_nobody_listens_exits_4(run: Run, free_port: Callable[[], int], tmp_path: Path) -> None:
    phantom_dataset(1, size=256).save_as(tmp_path / "x.dcm", enforce_file_format=True)
    result = run("send", "x.dcm", "--to", f"127.0.0.1:{free_port()}")
    assert result.returncode == 4
    assert "cannot be reached" in result.stderr


@pytest.mark.parametrize("to", ["somewhere", ":11112", "a..b:11112", "somewhere:0", "127.0.0.1:76648", "127.0.0.1:²"])
def test_sending_without_a_host_and_a_port_exits_2(run: Run, tmp_path: Path, to: str) -> None:
    (tmp_path / "x.dcm").touch()
    assert run("send", "x.dcm", "--to", to).returncode == 2


def test_scripts_are_told_of_what_could_not_be_sent(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_text("no DICOM")
    result = run("send", "x.dcm", "--to", "127.0.0.1:1", "--json")
    (sent,) = json.loads(result.stdout)
    assert (result.returncode, sent["path"], sent["status"]) == (1, "x.dcm", None)
    assert sent["error"] == sent["message"] != ""


def test_files_are_sent_over_tls(run: Run, tmp_path: Path, sqlite_template: Path) -> None:
    authority = Authority(tmp_path / "authority")
    node, ours = authority.issue("node", "127.0.0.1"), authority.issue("modality")
    settings = Settings(
        node={"data_dir": tmp_path / "data", "tls": node.options() | {"client_ca": authority.certificate}},
        receive={"port": 0, "min_free_disk_bytes": 0},
    )
    settings.node.data_dir.mkdir()
    shutil.copyfile(sqlite_template, settings.node.data_dir / "cxrnode.db")
    phantom_dataset(3, size=256).save_as(tmp_path / "x.dcm", enforce_file_format=True)
    database = Database.open(settings.database_url(), service="receive")
    receiver = Receiver(settings, database)
    receiver.start()
    try:
        command = ["send", "x.dcm", "--to", f"127.0.0.1:{receiver.tls_port}", "--tls-ca", str(authority.certificate)]
        assert run(*command).returncode == 4
        assert run(*command, "--tls-certificate", str(ours.certificate)).returncode == 2
        sent = run(*command, "--tls-certificate", str(ours.certificate), "--tls-key", str(ours.key))
        assert (sent.returncode, "1 of 1 stored" in sent.stdout) == (0, True)
    finally:
        receiver.stop(drain_seconds=1)
        database.close()


def test_retrying_nothing_in_particular_exits_2(run: Run, node: Settings) -> None:
    assert run("retry").returncode == 2
    assert run("retry", "--destination", "pacs").returncode == 1


def test_the_demo_never_empties_a_folder_it_did_not_make(run: Run, tmp_path: Path) -> None:
    (tmp_path / "demo-output").mkdir()
    (tmp_path / "demo-output" / "thesis.txt").write_text("precious")
    result = run("demo")
    assert (result.returncode, "did not make" in result.stderr) == (1, True)
    assert (tmp_path / "demo-output" / "thesis.txt").read_text() == "precious"


def test_a_folder_without_dicom_is_a_clear_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "cat.jpg").write_bytes(b"\xff\xd8")
    result = run("demo", "pictures")
    assert (result.returncode, "no DICOM file" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("nonsense", 3, "this is no URL"),
        ("mysql://me:hidden@db/x", 3, "mysql is not supported"),
        ("postgresql://me:hidden@127.0.0.1:1/x", 4, "connection"),
    ],
)
def test_a_database_that_cannot_be_had_is_one_line_without_the_password(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, code: int, words: str
) -> None:
    monkeypatch.setenv("CXRNODE_DATABASE__URL", url)
    result = run("studies")
    assert (result.returncode, words in result.stderr) == (code, True)
    assert "hidden" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_data_folder_that_cannot_be_made_exits_3_and_names_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "cxrnode.toml").write_text('[node]\ndata_dir = "file/data"\n')
    result = run("studies")
    assert (result.returncode, "node.data_dir" in result.stderr) == (3, True)


def test_files_that_cannot_be_written_exit_3(run: Run, node: Settings) -> None:
    assert run("init", "nowhere/cxrnode.toml").returncode == 3
    assert run("audit", "export", "nowhere/log.jsonl").returncode == 3


def checks(result: Result) -> dict[str, str]:
    """Return the checks of a doctor: what a receiver in this process logs comes before them."""
    return {check["name"]: check["state"] for check in json.loads(result.stdout[result.stdout.index("[\n") :])}


def test_the_quick_doctor_looks_at_what_a_health_check_needs_and_fails_without_a_receiver(
    run: Run, node: Settings, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with (tmp_path / "cxrnode.toml").open("a") as file:
        file.write(f"port = {free_port()}\n")
    result = run("doctor", "--quick", "--json")
    assert checks(result) == {
        "data folder": "ok", "free disk": "ok", "database": "ok", "clock": "ok", "receiver": "failed", "queue": "ok",
        "deliveries": "ok", "patients": "ok",
    }  # fmt: skip
    assert result.returncode == 1


def test_the_quick_doctor_asks_a_running_receiver_and_leaves_no_trace_in_the_audit_log(
    run: Run, node: Settings, tmp_path: Path
) -> None:
    settings = Settings(
        node={"data_dir": tmp_path / "data"},
        receive={"port": 0, "min_free_disk_bytes": 0, "known_peers_only": True},
        peers=[{"name": "pacs", "ae_title": "PACS"}],
    )
    database = Database.open(settings.database_url(), service="receive")
    receiver = Receiver(settings, database)
    receiver.start()
    try:
        with (tmp_path / "cxrnode.toml").open("a") as file:
            file.write(f"port = {receiver.port}\n")
            file.write('known_peers_only = true\n[[peers]]\nname = "pacs"\nae_title = "PACS"\n')
        result = run("doctor", "--quick", "--json")
        assert (result.returncode, checks(result)["receiver"]) == (0, "ok")
    finally:
        receiver.stop(drain_seconds=1)
        database.close()
    assert [line["type"] for line in json.loads(run("audit", "list", "--json").stdout)] == ["job-retried"]


def test_the_doctor_shows_what_failed_with_its_cure_at_80_columns(
    run: Run, node: Settings, tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with (tmp_path / "cxrnode.toml").open("a") as file:
        file.write(f'port = {free_port()}\n[[destinations]]\nkind = "hl7"\nname = "ris"\nhost = "127.0.0.1"\n')
        file.write(f"port = {free_port()}\n")
    result = run("doctor")
    assert result.returncode == 1
    assert re.search(r"destination ris +│ failed", result.stdout)
    assert "→ check host, port" in result.stdout
    assert "transfer syntaxes" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_doctor_names_a_part_that_is_not_installed(
    run: Run, node: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: Settings) -> Iterator[Check]:
        raise ModuleNotFoundError(name="ai_edge_litert")

    monkeypatch.setattr(machine, "model_packages", missing)
    monkeypatch.setattr(machine, "decoders", lambda _: iter(()))
    (model,) = (check for check in examination.examine(node) if check.name == "model")
    assert (model.state, model.found) == ("failed", "ai_edge_litert is not installed")
    assert "install" in model.cure


def test_sending_with_a_wrong_ae_title_or_nothing_at_all_exits_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.dcm").touch()
    (tmp_path / "empty").mkdir()
    assert run("send", "x.dcm", "--to", "127.0.0.1:1", "--called", "A" * 17).returncode == 2
    assert run("send", "empty", "--to", "127.0.0.1:1").returncode == 2


def test_what_is_being_tried_again_is_shown_with_its_error(run: Run, node: Settings) -> None:
    database = Database.open(node.database_url())
    incoming = IncomingInstance(
        instance_uid="1.1", sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
        transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path="ab/cd",
        calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1", study=StudyHeader("1.9"),
    )  # fmt: skip
    with database.transaction() as tx:
        register_instance(tx, incoming, settle_seconds=0)
    job = queue.claim(database, ["analyse"], "here/1/1/1.0", 60_000)
    assert job is not None
    with database.transaction() as tx:
        queue.postpone(tx, job, "the disk is full", queue.RetryPolicy(100, 100))
    database.close()
    listed = run("studies").stdout
    assert "retrying" in listed
    assert "failed 1 ×, again at" in listed
    assert "the disk is full" in run("study", "1.9").stdout
    [entry] = json.loads(run("study", "1.9", "--json").stdout)["study"]["retrying"]
    assert (entry["step"], entry["attempts"], entry["error"]) == ("analyse", 1, "the disk is full")
    assert run("retry", "1.9").returncode == 0
    assert json.loads(run("study", "1.9", "--json").stdout)["study"]["retrying"] == []


def two_patients(node: Settings, *, corrected: bool = False) -> None:
    """Put a study of two patients on record, perhaps with a corrected file for the second image."""
    database = Database.open(node.database_url())
    for uid, patient, digest in (("1.1", "PAT A", "a"), ("1.2", "PAT-B", "a"), ("1.2", "PAT A", "b"))[: 2 + corrected]:
        incoming = IncomingInstance(
            instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256=digest * 64, size=7, path="ab/cd",
            calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1",
            study=StudyHeader("1.9", patient_id=patient, patient_name="Doe^Jane"),
        )  # fmt: skip
        with database.transaction() as tx:
            outcome = register_instance(tx, incoming, settle_seconds=0)
            if outcome is Registered.CONFLICT:
                register_conflict(tx, incoming)
    database.close()


def test_two_patients_are_listed_with_the_ways_out_and_resolved(
    run: Run, node: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_patients(node)
    for shown in (run("studies").stdout, run("study", "1.9").stdout):
        for words in ("conflict", "PAT A", "PAT-B", "cxrnode study resolve 1.9 --patient 'PAT A'"):
            assert words in shown, words
    assert [entry["status"] for entry in json.loads(run("studies", "--json").stdout)] == ["conflict"]
    monkeypatch.setenv("LOGNAME", "operator-7")
    resolved = run("study", "resolve", "1.9", "--patient", "PAT A")
    assert (resolved.returncode, resolved.stdout) == (
        0, "study 1.9: 1 image of that patient will be analysed, 1 image rejected\n",
    )  # fmt: skip
    again = run("study", "resolve", "1.9", "--patient", "PAT A")
    assert (again.returncode, "nothing changed" in again.stdout) == (0, True)
    shown = run("study", "1.9").stdout
    assert "of another patient" in shown
    assert "operator-7" in shown
    refused = run("study", "resolve", "1.9", "--patient", "PAT-C")
    assert (refused.returncode, "no image of study 1.9" in refused.stderr, "PAT-C" in refused.stderr) == (
        1,
        True,
        False,
    )


def test_an_image_is_rejected_and_a_corrected_one_accepted_or_dismissed(run: Run, node: Settings) -> None:
    two_patients(node, corrected=True)
    command = f"cxrnode study accept 1.9 --instance 1.2 --sha256 {'b' * 12}\n"
    assert command in run("studies").stdout
    assert command in run("study", "1.9").stdout
    refused = run("study", "accept", "1.9", "--instance", "1.2")
    assert refused.returncode == 1
    assert "image 1.2 of study 1.9 becomes one of another patient (Patient ID differ)" in refused.stderr
    assert "--yes-other-patient" in refused.stderr
    accepted = run("study", "accept", "1.9", "--instance", "1.2", "--yes-other-patient")
    assert (accepted.returncode, "the other file stands now" in accepted.stdout) == (0, True)
    assert "nothing changed" in run("study", "accept", "1.9", "--instance", "1.2").stdout
    assert json.loads(run("study", "1.9", "--json").stdout)["study"]["status"] == "received"
    assert run("study", "reject", "1.9", "--instance", "1.2").stdout == "image 1.2: rejected\n"
    assert "nothing changed" in run("study", "reject", "1.9", "--instance", "1.2").stdout
    assert "no file waits" in run("study", "reject", "1.9", "--instance", "1.2", "--kept-aside").stdout
    assert run("study", "reject", "1.9", "--instance", "7.7").returncode == 1


def test_on_a_terminal_another_patient_s_image_is_accepted_after_a_typed_word(
    run: Run, node: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_patients(node, corrected=True)
    for typed, code, words in (("yes", 1, "nothing has changed"), ("other patient", 0, "")):
        answer = io.StringIO(typed + "\n")
        monkeypatch.setattr(answer, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", answer)
        result = run("study", "accept", "1.9", "--instance", "1.2")
        assert (result.returncode, words in result.stderr) == (code, True)
        assert "results of 1.9 are void" in result.stderr
    assert json.loads(run("study", "1.9", "--json").stdout)["study"]["kept_aside"] == []


def test_one_of_several_files_kept_aside_is_declined_by_its_digest(run: Run, node: Settings) -> None:
    two_patients(node, corrected=True)
    wrong = run("study", "reject", "1.9", "--instance", "1.2", "--sha256", "bb")
    assert (wrong.returncode, "--kept-aside" in wrong.stderr) == (2, True)
    declined = run("study", "reject", "1.9", "--instance", "1.2", "--kept-aside", "--sha256", "bb")
    assert declined.stdout == "image 1.2: 1 file dismissed\n"


def test_a_study_is_shown_whether_or_not_the_word_show_is_said(run: Run, node: Settings) -> None:
    two_patients(node)
    said = [
        json.loads(run("study", *words).stdout)["study"]["study_uid"]
        for words in (("1.9", "--json"), ("--json", "1.9"), ("show", "1.9", "--json"))
    ]
    assert said == ["1.9"] * 3
    assert "resolve" in run("study", "--help").stdout


def test_studies_are_found_by_patient_accession_date_status_and_finding(run: Run, node: Settings) -> None:
    two_patients(node)

    def found(*options: str) -> list[str]:
        result = run("studies", "--json", *options)
        assert result.returncode == 0, result.stderr
        return [study["study_uid"] for study in json.loads(result.stdout)]

    assert found("--patient", "pat-b") == ["1.9"], "of a study in conflict every patient counts"
    assert found("--patient", "Doe, J", "--status", "conflict", "--from", "2020-01-01") == ["1.9"]
    for nobody in (
        ("--patient", "nobody"), ("--accession", "A"), ("--to", "2020-01-01"), ("--status", "delivered"),
        ("--finding", "lung_opacity"), ("--urgent",), ("--order", "study-date", "--from", "2020-01-01"),
    ):  # fmt: skip
        assert found(*nobody) == [], nobody
    assert "1 of 1 studies" in run("studies", "--limit", "5").stdout
    for wrong in (("--status", "done"), ("--from", "yesterday"), ("--order", "size")):
        assert run("studies", *wrong).returncode == 2
    assert "not-analysed" in run("studies", "--status", "done").stderr


def test_the_doctor_exits_1_while_something_has_stopped_for_good(
    run: Run, node: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checks(_settings: Settings, *, quick: bool) -> list[Check]:
        return [Check("free disk", "warning", "little"), Check("queue", state, "x", stopped=stopped)]

    monkeypatch.setattr(examination, "examine", checks)
    cases = (("ok", False, 0, 0), ("warning", True, 1, 0), ("failed", False, 1, 1))
    for state, stopped, code, quick_code in cases:  # noqa: B007 - the checks read it
        result = run("doctor")
        assert (result.returncode, run("doctor", "--quick").returncode) == (code, quick_code)
        assert ("waiting for you: queue" in result.stderr) is stopped


def test_rows_of_lists_that_somebody_else_changed_are_found_and_made_anew(run: Run, node: Settings) -> None:
    two_patients(node)
    assert run("db", "check").returncode == 0
    database = Database.open(node.database_url())
    with database.transaction() as tx:
        tx.execute(update(Standing).values(status="delivered"))
    database.close()
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").stdout)}
    assert (checks["lists"]["state"], "db check --repair" in checks["lists"]["cure"]) == ("failed", True)
    result = run("db", "check")
    assert (result.returncode, result.stdout.split("\n")[0]) == (1, "1.9")
    assert run("db", "check", "--repair").returncode == 0
    assert run("db", "check").returncode == 0

"""The command line: exit codes that mean something, tables for people, JSON for scripts."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.settings import Settings
from cxrnode.cli import main
from cxrnode.phantom import phantom_dataset
from tracking import audit
from tracking.audit import AuditEventType
from tracking.database import Database


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs ``cxrnode`` in an empty folder, with the settings file there if there is one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["cxrnode", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Result(int(ended.value.code or 0), printed.out, printed.err)

    return command


@pytest.fixture
def node(tmp_path: Path) -> Settings:
    """Write a settings file with a node whose database holds a few audit lines."""
    (tmp_path / "cxrnode.toml").write_text('[node]\ndata_dir = "data"\n[receive]\nmin_free_disk_bytes = 0\n')
    settings = Settings(node={"data_dir": tmp_path / "data"})
    database = Database.open(settings.database_url())
    from tracking import schema

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


def test_sending_without_a_port_exits_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.dcm").touch()
    assert run("send", "x.dcm", "--to", "somewhere").returncode == 2


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

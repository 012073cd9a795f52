"""A database and files that do not belong together are found, said, and mended; nothing starts on them in silence."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from config.errors import SettingsError
from config.settings import Settings
from cxrnode import node_state
from cxrnode.doctor import records
from cxrnode.node_state import keep_anchor, require_consistent
from dicom_node.instance_store import store_check
from tests.cxrnode.stores import Run, StoredNode, command_line
from tracking.audit_log import anchor, audit
from tracking.audit_log.audit import AuditEventType


@pytest.fixture(autouse=True)
def _nothing_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_check, "ARRIVAL_SECONDS", -3600)
    monkeypatch.setattr(node_state, "GRACE_SECONDS", -1.0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return command_line(tmp_path, monkeypatch, capsys)


@pytest.fixture
def node(tmp_path: Path, sqlite_template: Path) -> StoredNode:
    """Return a node in the test's folder, named in the settings file there."""
    (tmp_path / "cxrnode.toml").write_text('[node]\ndata_dir = "data"\n[receive]\nmin_free_disk_bytes = 0\n')
    (tmp_path / "data").mkdir()
    shutil.copyfile(sqlite_template, tmp_path / "data" / "cxrnode.db")
    return StoredNode(Settings(node={"data_dir": tmp_path / "data"}, receive={"min_free_disk_bytes": 0}))


def check(node: StoredNode) -> None:
    """Do what a service does before it starts."""
    database = node.open()
    try:
        require_consistent(node.settings, database)
        with database.transaction() as tx:
            audit.append(tx, AuditEventType.SERVICE_STARTED)
        keep_anchor(node.settings, database)
    finally:
        database.close()


def keep_database(node: StoredNode, name: str) -> Path:
    """Copy the closed database."""
    kept = node.settings.node.data_dir.parent / name
    shutil.copyfile(node.settings.node.data_dir / "cxrnode.db", kept)
    return kept


def put_back(node: StoredNode, kept: Path) -> None:
    for path in node.settings.node.data_dir.glob("cxrnode.db*"):
        path.unlink()
    shutil.copyfile(kept, node.settings.node.data_dir / "cxrnode.db")


@pytest.mark.fault(
    "the write-ahead log is lost: no row names an acknowledged image",
    promise="`audit verify --store` finds it, `recover` takes it in",
    area="apart",
)
def test_an_acknowledged_image_that_the_database_lost_is_found_and_taken_in(run: Run, node: StoredNode) -> None:
    node.put(1)
    node.put(2, on_record=False)
    quiet = run("audit", "verify", "--json")
    assert (quiet.returncode, json.loads(quiet.stdout)["store"]) == (0, None)
    found = run("audit", "verify", "--store")
    assert found.returncode == 1
    assert "files that no row names: 1 (`cxrnode recover` takes them in)" in found.stdout
    dry = run("recover", "--dry-run")
    assert (dry.returncode, "nothing was changed" in dry.stdout) == (0, True)
    assert run("audit", "verify", "--store").returncode == 1
    done = run("recover", "--json")
    assert json.loads(done.stdout)["counts"] == {"recovered": 1}
    again = run("recover")
    assert "the database knows every file of the store" in again.stdout
    matching = run("audit", "verify", "--contents", "--json")
    assert (matching.returncode, json.loads(matching.stdout)["store"]["rows"]) == (0, 2)
    assert {row["study_uid"] for row in json.loads(run("studies", "--json").stdout)} == {"1.9.1", "1.9.2"}


def test_no_message_of_a_recovery_names_a_patient(run: Run, node: StoredNode) -> None:
    node.put(1, on_record=False)
    damaged = node.put(2, on_record=False)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    result = run("recover")
    assert (result.returncode, "1 damaged" in result.stdout) == (1, True)
    assert "Doe" not in result.stdout + result.stderr
    assert "Doe" not in run("audit", "list", "--json").stdout


def test_a_missing_file_is_named_with_its_study(run: Run, node: StoredNode) -> None:
    node.put(1).unlink()
    node.put(2)
    found = run("audit", "verify", "--store")
    assert (found.returncode, "study 1.9.1, image 1.2.1" in found.stdout) == (1, True)


@pytest.mark.fault(
    "rows and files do not match",
    promise="`cxrnode doctor` finds it",
    area="apart",
)
def test_the_doctor_compares_store_and_database(node: StoredNode) -> None:
    node.put(1)
    (well,) = records.store(node.settings)
    assert (well.state, well.found) == ("ok", "1 rows, 1 files: each image has its file")
    node.put(2, on_record=False)
    (ill,) = records.store(node.settings)
    assert (ill.state, "cxrnode recover" in ill.found) == ("failed", True)


@pytest.mark.fault(
    "a service starts on a database that is older than the files",
    promise="it refuses, with the cure",
    area="apart",
)
def test_a_service_does_not_start_on_an_older_database_until_it_is_recovered(run: Run, node: StoredNode) -> None:
    node.put(1)
    check(node)
    yesterday = keep_database(node, "yesterday.db")
    node.put(2)
    check(node)
    put_back(node, yesterday)
    with pytest.raises(SettingsError, match=r"older than the files.*cxrnode recover"):
        check(node)
    assert "shortened" in run("audit", "verify").stdout
    assert run("recover").returncode == 0
    check(node)
    written = json.loads(run("audit", "list", "--json").stdout)
    (line,) = (entry for entry in written if entry["type"] == "store-recovered")
    assert line["detail"]["recovered"] == 1
    assert line["detail"]["lost_line"] > 0


@pytest.mark.fault(
    "the database is exchanged while services run",
    promise="found at the next start",
    area="apart",
)
def test_a_database_exchanged_under_running_services_is_found(run: Run, node: StoredNode) -> None:
    node.put(1)
    early = keep_database(node, "early.db")
    node.put(2)
    check(node)
    put_back(node, early)
    database = node.open()
    keep_anchor(node.settings, database)
    with pytest.raises(SettingsError, match="older than the files"):
        require_consistent(node.settings, database)
    database.close()


@pytest.mark.fault(
    "the database is empty, the store is full",
    promise="services refuse to start, with the cure",
    area="apart",
)
def test_a_service_does_not_start_on_an_empty_database_beside_a_full_store(run: Run, node: StoredNode) -> None:
    node.put(1, on_record=False)
    with pytest.raises(SettingsError, match=r"the database is empty.*cxrnode restore.*cxrnode recover"):
        check(node)
    run("recover")
    check(node)


@pytest.mark.fault(
    "a service starts while the receiver beside it stores the first image of a new node",
    promise="it waits until that is recorded, and starts",
    area="apart",
)
def test_a_service_that_starts_beside_the_first_image_waits_for_its_row(
    node: StoredNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.put(1, on_record=False)

    def meanwhile(_seconds: float) -> None:
        receiver = node.open()
        with receiver.transaction() as tx:
            audit.append(tx, AuditEventType.SERVICE_STARTED)
        receiver.close()

    monkeypatch.setattr(node_state, "GRACE_SECONDS", 60.0)
    monkeypatch.setattr(node_state.time, "sleep", meanwhile)
    check(node)


def test_one_file_without_a_row_on_a_node_that_ran_before_keeps_nobody_from_starting(node: StoredNode) -> None:
    check(node)
    node.put(1, on_record=False)
    check(node)


@pytest.mark.fault(
    "the store is gone or not mounted",
    promise="services refuse to start, with the cure",
    area="apart",
)
def test_a_service_does_not_start_without_its_store(node: StoredNode) -> None:
    node.put(1)
    check(node)
    shutil.rmtree(node.settings.instance_dir)
    with pytest.raises(SettingsError, match=r"names images, but .*instances holds none.*data_dir"):
        check(node)


def test_a_service_that_lacks_some_files_starts_and_says_so(node: StoredNode, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, object]] = []
    monkeypatch.setattr(node_state.log, "error", lambda _event, **detail: said.append(detail), raising=False)
    node.put(1)
    node.put(2).unlink()
    check(node)
    assert [(entry["count"], entry["of"]) for entry in said] == [(1, 2)]


@pytest.mark.fault(
    "the audit log is shortened, or replaced with its database",
    promise="found against an anchor",
    area="apart",
)
def test_an_anchored_log_that_was_shortened_or_replaced_is_found(run: Run, node: StoredNode, tmp_path: Path) -> None:
    node.put(1)
    early = keep_database(node, "early.db")
    node.put(2)
    assert run("audit", "anchor", "anchors").returncode == 0
    node.put(3)
    assert run("audit", "anchor", "anchors").returncode == 0
    assert [entry.seq for entry in anchor.read_anchors(tmp_path / "anchors")] == [2, 3]
    assert stat.S_IMODE((tmp_path / "anchors").stat().st_mode) == 0o600
    good = run("audit", "verify", "--anchors", "anchors")
    assert (good.returncode, "each of 2" in good.stdout) == (0, True)
    put_back(node, early)
    assert json.loads(run("audit", "verify", "--json").stdout)["broken_at"] is None
    found = run("audit", "verify", "--anchors", "anchors", "--json")
    assert (found.returncode, json.loads(found.stdout)["lost_anchor"]["seq"]) == (1, 2)
    refused = run("audit", "anchor", "anchors")
    assert (refused.returncode, "nothing added" in refused.stderr) == (1, True)
    node.put(4, patient="P2")
    assert "lacks line 2" in run("audit", "verify", "--anchors", "anchors").stdout


@pytest.mark.parametrize("content", ["nonsense", '{"seq": "1"}', "[1]", '{"seq": 1, "hash": 2, "at": 3}'])
def test_what_is_no_anchor_file_is_refused(run: Run, node: StoredNode, tmp_path: Path, content: str) -> None:
    (tmp_path / "other").write_text(content)
    result = run("audit", "verify", "--anchors", "other")
    assert (result.returncode, "no anchor file" in result.stderr) == (3, True)


def test_the_anchor_file_of_the_settings_is_used(run: Run, node: StoredNode, tmp_path: Path) -> None:
    with (tmp_path / "cxrnode.toml").open("a") as file:
        file.write(f'[audit]\nanchor_file = "{tmp_path / "anchors"}"\n')
    node.put(1)
    missing = run("audit", "verify")
    assert (missing.returncode, "begins one" in missing.stderr) == (3, True)
    assert run("audit", "anchor").returncode == 0
    assert "each of 1" in run("audit", "verify").stdout


@pytest.mark.fault(
    "the disk takes no anchor of the audit log",
    promise="no service ends",
    area="disk",
)
def test_a_disk_that_takes_no_anchor_stops_no_service(node: StoredNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    node.put(1)
    monkeypatch.setattr(os, "fsync", full)
    database = node.open()
    keep_anchor(node.settings, database)
    database.close()
    assert anchor.own_anchor(node.settings.node.data_dir) is None
    assert not list(node.settings.node.data_dir.glob(".audit*"))

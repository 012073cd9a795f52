"""A backup is of one moment, whole or none, and comes back on an empty node, from every schema there was."""

import json
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from config.errors import ActionRefused, StorageFull
from config.settings import Settings
from cxrnode import backup
from cxrnode.backup import back_up, restore
from cxrnode.node_state import require_consistent
from dicom_node.instance_store import store_check
from dicom_node.instance_store.recovery import Recovery
from tests.cxrnode.stores import Run, StoredNode, command_line
from tracking.audit_log import audit
from tracking.engine import schema
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.lists import standing

RESERVE = {"min_free_disk_bytes": 0}


@pytest.fixture
def node(tmp_path: Path, sqlite_template: Path) -> StoredNode:
    (tmp_path / "first").mkdir()
    shutil.copyfile(sqlite_template, tmp_path / "first" / "cxrnode.db")
    return StoredNode(Settings(node={"data_dir": tmp_path / "first"}, receive=RESERVE))


@pytest.fixture
def other(tmp_path: Path) -> StoredNode:
    """Return a node with nothing at all."""
    return StoredNode(Settings(node={"data_dir": tmp_path / "second"}, receive=RESERVE))


@pytest.fixture
def opened() -> Iterator[Callable[[StoredNode], Database]]:
    databases: list[Database] = []

    def connect(node: StoredNode) -> Database:
        databases.append(Database.open(node.settings.database_url()))
        return databases[-1]

    yield connect
    for database in databases:
        database.close()


def save(node: StoredNode, folder: Path) -> None:
    database = Database.open(node.settings.database_url())
    back_up(node.settings, database, folder)
    database.close()


def put_back(node: StoredNode, folder: Path) -> None:
    database = Database.open(node.settings.database_url())
    try:
        restore(node.settings, database, folder)
    finally:
        database.close()


def test_what_was_backed_up_comes_back_and_what_came_later_is_taken_in(
    node: StoredNode, other: StoredNode, tmp_path: Path, opened: Callable[[StoredNode], Database]
) -> None:
    node.put(1)
    document = node.settings.document_dir / "ab" / "report.dcm"
    document.parent.mkdir(parents=True)
    document.write_bytes(b"report")
    save(node, tmp_path / "backup")
    late = node.put(2)
    put_back(other, tmp_path / "backup")
    database = opened(other)
    with database.reading() as read:
        assert audit.verify(read).intact
        assert store_check.compare(read, other.settings.instance_dir, contents=True).matches
    assert (other.settings.document_dir / "ab" / "report.dcm").read_bytes() == b"report"
    require_consistent(other.settings, database)
    again = other.settings.instance_dir / late.relative_to(node.settings.instance_dir)
    again.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(late, again)
    (taken,) = Recovery(other.settings.instance_dir, database, settle_seconds=0).run()
    assert (taken.outcome, taken.instance_uid) == ("recovered", "1.2.2")


@pytest.mark.fault(
    "images arrive while a backup is made",
    promise="they are in its files, if not in its database; `recover` takes them in",
    area="backup",
)
def test_an_image_that_arrives_during_the_backup_is_in_the_files_if_not_in_the_database(
    node: StoredNode, other: StoredNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = backup.backup.copy_database

    def copy_then_receive(database: Database, to: Path) -> None:
        copy(database, to)
        node.put(2)

    node.put(1)
    monkeypatch.setattr(backup.backup, "copy_database", copy_then_receive)
    save(node, tmp_path / "backup")
    put_back(other, tmp_path / "backup")
    database = other.open()
    outcomes = [file.outcome for file in Recovery(other.settings.instance_dir, database, settle_seconds=0).run()]
    with database.reading() as read:
        assert store_check.compare(read, other.settings.instance_dir).matches
    database.close()
    assert outcomes == ["recovered"]


@pytest.mark.fault(
    "the database is written to while it is copied",
    promise="the copy is of one moment",
    area="backup",
)
def test_a_database_in_use_is_copied_as_of_one_moment(node: StoredNode, other: StoredNode, tmp_path: Path) -> None:
    stop = threading.Event()
    database = node.open()

    def write() -> None:
        while not stop.is_set():
            with database.transaction() as tx:
                audit.append(tx, audit.AuditEventType.JOB_RETRIED)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        save(node, tmp_path / "backup")
    finally:
        stop.set()
        writer.join()
        database.close()
    put_back(other, tmp_path / "backup")
    restored = other.open()
    with restored.reading() as read:
        assert audit.verify(read).intact
    restored.close()


@pytest.mark.fault(
    "the disk is full in the middle of a second backup",
    promise="the first one is still whole",
    area="disk",
)
def test_a_second_backup_copies_new_files_only_and_a_broken_one_leaves_the_first(
    node: StoredNode, other: StoredNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.put(1)
    save(node, tmp_path / "backup")
    (first,) = (tmp_path / "backup" / "instances").rglob("*.dcm")
    inode = first.stat().st_ino
    node.put(2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(StorageFull, match="No space left"):
            save(node, tmp_path / "backup")
    put_back(other, tmp_path / "backup")
    assert len(list(other.settings.instance_dir.rglob("*.dcm"))) == 1
    save(node, tmp_path / "backup")
    assert first.stat().st_ino == inode
    assert json.loads((tmp_path / "backup" / "backup.json").read_text())["files"] == 2


@pytest.mark.fault(
    "a restore is interrupted",
    promise="there is no database, so no service starts on half of it; the restore is run again",
    area="killed",
)
def test_a_restore_that_is_interrupted_leaves_no_database_and_is_begun_again(
    node: StoredNode, other: StoredNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.put(1)
    save(node, tmp_path / "backup")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backup.backup, "restore_database", killed)
        with pytest.raises(KeyboardInterrupt):
            put_back(other, tmp_path / "backup")
    assert list(other.settings.instance_dir.rglob("*.dcm"))
    put_back(other, tmp_path / "backup")
    database = other.open()
    with database.reading() as read:
        assert store_check.compare(read, other.settings.instance_dir, contents=True).matches
    database.close()


@pytest.mark.fault(
    "a backup is restored where there is a database",
    promise="refused; nothing is overwritten",
    area="backup",
)
def test_nothing_is_overwritten(node: StoredNode, tmp_path: Path) -> None:
    node.put(1)
    save(node, tmp_path / "backup")
    with pytest.raises(ActionRefused, match=r"overwrites nothing: move .*cxrnode\.db\* away"):
        put_back(node, tmp_path / "backup")


@pytest.mark.fault(
    "a write-ahead log of an earlier database lies where a backup is restored",
    promise="it is not built upon",
    area="backup",
)
def test_a_write_ahead_log_of_an_earlier_database_is_not_built_upon(
    node: StoredNode, other: StoredNode, tmp_path: Path
) -> None:
    node.put(1)
    save(node, tmp_path / "backup")
    other.settings.node.data_dir.mkdir()
    (other.settings.node.data_dir / "cxrnode.db-journal").write_bytes(b"left")
    with pytest.raises(ActionRefused, match="earlier database"):
        put_back(other, tmp_path / "backup")


@pytest.mark.parametrize("harm", ["no-manifest", "other-bytes", "no-database", "other-format", "other-dialect"])
@pytest.mark.fault(
    "a backup is not whole",
    promise="refused before anything is written",
    area="backup",
)
def test_what_is_no_whole_backup_is_refused(node: StoredNode, other: StoredNode, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "backup"
    save(node, folder)
    manifest = json.loads((folder / "backup.json").read_text())
    if harm == "no-manifest":
        (folder / "backup.json").unlink()
    elif harm == "other-bytes":
        with (folder / "database").open("ab") as file:
            file.write(b"?")
    elif harm == "no-database":
        (folder / "database").unlink()
    else:
        manifest |= {"other-format": {"format": 2}, "other-dialect": {"dialect": "postgresql"}}[harm]
        (folder / "backup.json").write_text(json.dumps(manifest))
    with pytest.raises(ActionRefused):
        put_back(other, folder)
    assert not list(other.settings.instance_dir.rglob("*.dcm"))


def test_a_backup_beside_its_original_is_refused(node: StoredNode) -> None:
    with pytest.raises(ActionRefused, match="another one"):
        save(node, node.settings.node.data_dir / "backup")


@pytest.mark.fault(
    "others have logins on the machine of a backup",
    promise="folders are 0700 and files 0600, whatever the umask",
    area="secret",
)
def test_nobody_else_reads_a_backup(node: StoredNode, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        node.put(1)
        save(node, tmp_path / "backup")
    finally:
        os.umask(before)
    for path in [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_commands(
    tmp_path: Path, node: StoredNode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Run = command_line(tmp_path, monkeypatch, capsys)
    for name in ("first", "second"):
        (tmp_path / f"{name}.toml").write_text(f'[node]\ndata_dir = "{name}"\n')
    node.put(1)
    assert "1 files" in run("-c", "first.toml", "backup", "kept").stdout
    assert "cxrnode recover" in run("-c", "second.toml", "restore", "kept").stdout
    refused = run("-c", "second.toml", "restore", "kept")
    assert (refused.returncode, "overwrites nothing" in refused.stderr) == (1, True)


STUDY = (
    "INSERT INTO study (study_uid, accession_number, patient_id, issuer_of_patient_id, patient_name,"
    " patient_birth_date, patient_sex, study_date, study_time, description, revision, first_received_at,"
    " last_received_at{more}) VALUES ('1.9', 'ACC', 'PAT-A', '', 'Doe^Jane', '', 'F', '', '', '', 1, 0, 0{values})"
)
JOB = (
    "INSERT INTO job (key, queue, payload, priority, state, visible_at, token, attempts, crashes, created_at,"
    " give_up_at{more}) VALUES ('k', 'q', '{{}}', 5, 'open', 0, 0, 3, 0, 0, 9000000000000{values})"
)


@pytest.mark.parametrize(
    "revision",
    [
        pytest.param(revision, marks=() if number % 4 == 0 else pytest.mark.long)
        for number, revision in enumerate(schema.revisions())
    ],
)
@pytest.mark.fault(
    "an upgrade of any schema is interrupted",
    promise="the old schema is whole, and the upgrade is run again",
    area="killed",
)
def test_a_backup_of_every_schema_comes_back_and_up_whatever_interrupts_it(
    revision: str, node: StoredNode, other: StoredNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node.settings.node.data_dir / "cxrnode.db").unlink()
    old = Database.open(node.settings.database_url())
    schema.upgrade(old, revision)
    with old.engine.begin() as connection:
        connection.execute(text(STUDY.format(more="", values="")))
        connection.execute(text(JOB.format(more="", values="")))
    old.close()
    save(node, tmp_path / "backup")
    put_back(other, tmp_path / "backup")
    restored = Database.open(other.settings.database_url())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(standing, "fill", killed)
        with pytest.raises(KeyboardInterrupt):
            schema.upgrade(restored)
    assert schema.current(restored) == revision
    schema.upgrade(restored)
    with restored.reading() as read:
        assert list(standing.drift(read)) == []
        assert audit.verify(read).intact
        assert read.execute(text("SELECT patient_id FROM study")).scalars().all() == ["PAT-A"]
    job = queue.claim(restored, ["q"], "somebody", 1000)
    restored.close()
    assert job is not None
    assert job.attempts == 3


@pytest.mark.peers
def test_postgresql_is_dumped_and_restored(
    node: StoredNode, other: StoredNode, tmp_path: Path, postgresql: Any
) -> None:
    first, second, third = (f"{name}_{os.getpid()}" for name in ("kept", "empty", "away"))
    postgresql.command(f"CREATE DATABASE {first} TEMPLATE template")
    postgresql.command(f"CREATE DATABASE {second} TEMPLATE template0 ENCODING 'UTF8'")
    source, target = (
        StoredNode(Settings(
            node={"data_dir": entry.settings.node.data_dir}, receive=RESERVE,
            database={"url": postgresql.url(name)},
        ))
        for entry, name in ((node, first), (other, second))
    )  # fmt: skip
    source.put(1)
    save(source, tmp_path / "backup")
    put_back(target, tmp_path / "backup")
    database = target.open()
    with database.reading() as read:
        assert audit.verify(read).intact
        assert store_check.compare(read, target.settings.instance_dir, contents=True).matches
    with pytest.raises(ActionRefused, match="overwrites nothing: rename it"):
        restore(target.settings, database, tmp_path / "backup")
    database.close()
    away = Database.open(postgresql.url(third).replace("cxrnode@", "cxrnode:hidden@"))
    with pytest.raises(ActionRefused, match="pg_dump failed") as refused:
        backup.backup.copy_database(away, tmp_path / "none")
    away.close()
    assert "hidden" not in str(refused.value)
    for name in (first, second):
        postgresql.command(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_missing_pg_dump_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    database = Database.open("postgresql://me:hidden@127.0.0.1:1/x")
    with pytest.raises(ActionRefused, match="pg_dump is not installed"):
        backup.backup.copy_database(database, tmp_path / "copy")
    database.close()


@pytest.mark.fault(
    "the copy of the database is damaged",
    promise="refused before anything is written",
    area="backup",
)
def test_a_damaged_copy_is_not_restored(node: StoredNode, other: StoredNode, tmp_path: Path) -> None:
    save(node, tmp_path / "backup")
    copy = tmp_path / "backup" / "database"
    with copy.open("r+b") as file:
        file.write(b"no database at all")
    with closing(sqlite3.connect(":memory:")):
        database = Database.open(other.settings.database_url())
    with pytest.raises(ActionRefused, match="damaged"):
        backup.backup.restore_database(database, copy)
    database.close()

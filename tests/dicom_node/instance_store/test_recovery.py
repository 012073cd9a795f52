"""After a restore of an older database every acknowledged image is there again, once, or named with its reason."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from dicom_node.instance_store import store_check
from dicom_node.instance_store.recovery import CALLER, Outcome, RecoveredFile, Recovery
from dicom_node.instance_store.store_check import Difference, StoreVerdict
from dicom_node.storage_scu import send
from tests.dicom_node.conftest import MakeDataset, Node, SaveFile
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.tables.models import Conflict, DeletedStudy, Instance, Job


@pytest.fixture(autouse=True)
def _nothing_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_check, "ARRIVAL_SECONDS", -3600)


@pytest.fixture
def node(start_node: Callable[..., Node], tmp_path: Path, sqlite_template: Path) -> Node:
    (tmp_path / "node").mkdir()
    shutil.copyfile(sqlite_template, file := tmp_path / "node" / "cxrnode.db")
    return start_node(database=Database.open(f"sqlite:///{file}", service="receive"))


@pytest.fixture
def deliver(node: Node, make_dataset: MakeDataset, save_file: SaveFile) -> Callable[..., str]:
    """Return a function that sends an image, sees it acknowledged, and returns its SOP Instance UID."""

    def store(**attributes: Any) -> str:
        dataset = make_dataset(**attributes)
        (outcome,) = send.store([save_file(dataset)], node.target)
        assert outcome.stored
        return str(dataset.SOPInstanceUID)

    return store


@pytest.fixture
def back_up(node: Node, tmp_path: Path) -> Callable[[], None]:
    """Return a function that keeps the database as it is."""
    return lambda: _copy(node.settings.node.data_dir / "cxrnode.db", tmp_path / "yesterday.db")


@pytest.fixture
def restore(node: Node, tmp_path: Path) -> Callable[[], None]:
    """Return a function that puts the kept database back, beside the store as it is now."""

    def put_back() -> None:
        node.receiver.stop(drain_seconds=0.2)
        node.database.close()
        for name in ("cxrnode.db-wal", "cxrnode.db-shm"):
            (node.settings.node.data_dir / name).unlink(missing_ok=True)
        shutil.copyfile(tmp_path / "yesterday.db", node.settings.node.data_dir / "cxrnode.db")
        node.database = Database.open(node.settings.database_url())

    return put_back


def _copy(database: Path, to: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def compare(node: Node, **options: Any) -> StoreVerdict:
    with node.database.reading() as read:
        return store_check.compare(read, node.settings.instance_dir, **options)


def recovery(node: Node, **options: Any) -> Recovery:
    return Recovery(node.settings.instance_dir, node.database, settle_seconds=0, **options)


def outcomes(files: list[RecoveredFile]) -> list[str]:
    return sorted(str(file.outcome) for file in files)


def jobs(node: Node, name: str) -> int:
    with node.database.reading() as read:
        return read.scalar(select(func.count()).select_from(Job).where(Job.queue == name)) or 0


def test_a_store_and_a_database_of_one_moment_match(node: Node, deliver: Any) -> None:
    for _ in range(3):
        deliver()
    for contents in (False, True):
        found = compare(node, contents=contents)
        assert (found.matches, found.files, found.rows) == (True, 3, 3)


def test_a_young_file_without_a_row_is_being_received(
    node: Node, deliver: Any, back_up: Any, restore: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up()
    deliver()
    restore()
    monkeypatch.setattr(store_check, "ARRIVAL_SECONDS", 60)
    found = compare(node)
    assert (found.matches, found.arriving) == (True, 1)


def test_acknowledged_images_of_after_the_backup_are_taken_in_once(
    node: Node, deliver: Any, back_up: Any, restore: Any
) -> None:
    first = deliver()
    back_up()
    second, third = deliver(), deliver(StudyInstanceUID="1.2.3")
    before = {uid: row.sha256 for uid, row in node.instances().items()}
    restore()
    assert compare(node).counts[Difference.UNNAMED] == 2
    assert set(node.instances()) == {first}
    would = list(recovery(node).run(dry=True))
    assert outcomes(would) == ["recovered", "recovered"]
    assert set(node.instances()) == {first}
    assert list(recovery(node).run()) == would
    rows = node.instances()
    assert {uid: row.sha256 for uid, row in rows.items()} == before
    assert {rows[uid].calling_ae for uid in (second, third)} == {CALLER}
    assert (rows[third].study_uid, rows[third].patient_name) == ("1.2.3", "Test^Pat")
    assert (jobs(node, "examine"), jobs(node, "analyse")) == (3, 3)
    assert node.events().count("instance-recovered") == 2
    with node.database.reading() as read:
        assert audit.verify(read).intact
    assert list(recovery(node).run()) == []
    assert compare(node, contents=True).matches


def test_a_kill_at_any_transaction_loses_and_doubles_nothing(
    node: Node, deliver: Any, back_up: Any, restore: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up()
    uids = {deliver() for _ in range(3)}
    restore()
    begun = recovery(node).run()
    next(begun)
    begun.close()
    assert len(node.instances()) == 1
    list(recovery(node).run())
    assert set(node.instances()) == uids
    assert (jobs(node, "examine"), node.events().count("instance-recovered")) == (3, 3)


def test_other_bytes_under_one_uid_are_kept_aside_again_and_the_first_stands(
    node: Node, deliver: Any, back_up: Any, restore: Any
) -> None:
    back_up()
    uid = deliver(SOPInstanceUID="1.2.9", PatientID="P1")
    deliver(SOPInstanceUID="1.2.9", PatientID="P2")
    stands = node.instances()[uid].sha256
    restore()
    assert outcomes(list(recovery(node).run())) == ["kept-aside", "recovered"]
    assert node.instances()[uid].sha256 == stands
    with node.database.reading() as read:
        (aside,) = read.scalars(select(Conflict))
    assert (aside.state, aside.patient_id, aside.path.startswith("conflicts/")) == ("waiting", "P2", True)
    assert compare(node, contents=True).matches


def test_a_file_kept_aside_whose_instance_is_gone_stands_for_it(
    node: Node, deliver: Any, back_up: Any, restore: Any
) -> None:
    back_up()
    uid = deliver(SOPInstanceUID="1.2.9", PatientID="P1")
    deliver(SOPInstanceUID="1.2.9", PatientID="P2")
    (node.settings.instance_dir / node.instances()[uid].path).unlink()
    restore()
    assert outcomes(list(recovery(node).run())) == ["recovered"]
    assert node.instances()[uid].patient_id == "P2"


def test_a_file_that_was_not_yet_moved_aside_is_moved(node: Node, deliver: Any, back_up: Any, restore: Any) -> None:
    uid = deliver(SOPInstanceUID="1.2.9", PatientID="P1")
    back_up()
    deliver(SOPInstanceUID="1.2.9", PatientID="P2")
    restore()
    (aside,) = (node.settings.instance_dir / "conflicts").iterdir()
    aside.rename(node.settings.instance_dir / aside.name[0] / aside.name[1] / aside.name)
    assert outcomes(list(recovery(node).run())) == ["kept-aside"]
    assert node.instances()[uid].patient_id == "P1"
    assert compare(node, contents=True).matches


def test_bytes_on_record_elsewhere_are_put_back_or_a_copy(node: Node, deliver: Any) -> None:
    uid = deliver()
    root = node.settings.instance_dir
    recorded = root / node.instances()[uid].path
    stray = root / "conflicts" / recorded.name
    recorded.rename(stray)
    assert compare(node).lacking == 1
    assert [file.outcome for file in recovery(node).run()] == [Outcome.PUT_BACK]
    shutil.copyfile(recorded, stray)
    assert [file.outcome for file in recovery(node).run()] == [Outcome.COPY]
    assert not stray.exists()
    assert compare(node, contents=True).matches


@pytest.mark.parametrize("harm", ["altered", "cut", "empty", "renamed"])
def test_a_damaged_file_is_named_and_never_taken_in(
    node: Node, deliver: Any, back_up: Any, restore: Any, harm: str
) -> None:
    back_up()
    uid = deliver()
    path = node.settings.instance_dir / node.instances()[uid].path
    restore()
    content = path.read_bytes()
    if harm == "renamed":
        path.rename(path.with_name("f" * 64 + ".dcm"))
    else:
        path.write_bytes({"altered": content[:-1] + b"?", "cut": content[:-9], "empty": b""}[harm])
    (file,) = recovery(node).run()
    assert file.outcome is Outcome.DAMAGED
    assert file.reason
    assert node.instances() == {}


def test_a_row_without_its_file_or_with_another_is_found(node: Node, deliver: Any) -> None:
    gone, short, other = deliver(), deliver(), deliver()
    root, rows = node.settings.instance_dir, node.instances()
    (root / rows[gone].path).unlink()
    os.truncate(root / rows[short].path, 400)
    content = (root / rows[other].path).read_bytes()
    (root / rows[other].path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    quick, whole = compare(node), compare(node, contents=True)
    assert (quick.counts[Difference.MISSING], quick.counts[Difference.OTHER_SIZE], quick.lacking) == (1, 1, 2)
    assert whole.counts[Difference.OTHER_CONTENT] == 1
    assert whole.lacking == 3
    named = {entry.instance_uid: entry.difference for entry in whole.examples}
    assert named == {
        gone: Difference.MISSING, short: Difference.OTHER_SIZE, other: Difference.OTHER_CONTENT,
    }  # fmt: skip


def test_a_comparison_goes_on_after_a_path(node: Node, deliver: Any) -> None:
    for _ in range(4):
        deliver()
    paths = sorted(row.path for row in node.instances().values())
    found = compare(node, after=paths[1])
    assert (found.files, found.rows, found.matches, found.last_path) == (2, 2, True, paths[3])


def test_the_rows_come_in_the_order_of_the_bytes_on_both_databases(database: Database) -> None:
    from tests.tracking.books import JANE, Books
    from tracking.studies.recorded_files import names_any_file, newest_files, recorded_files

    books = Books(database)
    paths = ["a/f/z.dcm", "conflicts/0.dcm", "c/f/1.dcm", "0/0/A.dcm", "d/0/_.dcm"]
    for number, path in enumerate(paths):
        books.receive(f"1.{number}", JANE, path=path, sha256=f"{number}" * 64)
    with database.reading() as read:
        assert [row.path for row in recorded_files(read)] == sorted(paths)
        assert names_any_file(read)
        assert set(newest_files(read, 2)) == {paths[3], paths[4]}
    assert books.count(Instance) == 5


def test_files_of_deleted_studies_are_left_alone_unless_they_are_meant(
    node: Node, deliver: Any, back_up: Any, restore: Any
) -> None:
    with node.database.transaction() as tx:
        tx.add(DeletedStudy(study_uid="1.2.3", revision=2))
    back_up()
    deliver(StudyInstanceUID="1.2.3")
    restore()
    assert outcomes(list(recovery(node).run(dry=True))) == ["deleted"]
    assert outcomes(list(recovery(node).run())) == ["deleted"]
    assert node.instances() == {}
    assert outcomes(list(recovery(node, deleted=True).run())) == ["recovered"]

"""The instance store: durable in the right order, truthful when the disk is not well."""

import hashlib
import os
import random
from pathlib import Path
from typing import Any

import pytest

from config.errors import StorageFull
from dicom_node.format.file_meta import file_meta
from dicom_node.instance_store.store import InstanceStore, PartialFile, make_folder

EXPLICIT = "1.2.840.10008.1.2.1"
META = file_meta("1.2.840.10008.5.1.4.1.1.1", "1.2.3", EXPLICIT)


@pytest.fixture
def store(tmp_path: Path) -> InstanceStore:
    store = InstanceStore(tmp_path / "instances", min_free_bytes=0)
    store.open()
    return store


def written(store: InstanceStore, data: bytes = b"abcdef") -> PartialFile:
    partial = store.start(META)
    partial.write(memoryview(data))
    return partial


def files_of(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_placed_file_holds_preamble_meta_and_the_data_set_untouched(store: InstanceStore, tmp_path: Path) -> None:
    name = store.place(written(store), "1.2.3", EXPLICIT)
    assert (tmp_path / "instances" / name).read_bytes() == META + b"abcdef"
    assert files_of(tmp_path / "instances") == [name]


@pytest.mark.fault(
    "the power fails while a file is put in place",
    promise="file, name and folder are flushed in this order before the sender is answered",
    area="disk",
)
def test_file_sync_rename_and_folder_sync_happen_in_this_order(
    store: InstanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_fsync(descriptor: int) -> None:
        steps.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        fsync(descriptor)

    def note_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    store.place(written(store), "1.2.3", EXPLICIT)
    assert steps == ["file", "rename", "folder"]


@pytest.mark.parametrize("failing_call", [1, 2])
@pytest.mark.fault(
    "a file cannot be flushed while it has its temporary name",
    promise="it is removed, and the image is not acknowledged",
    area="disk",
)
def test_a_failing_fsync_is_storage_trouble_and_leaves_no_temporary_file(
    store: InstanceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_call: int
) -> None:
    calls = 0
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing_call:
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    partial = written(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StorageFull, match="Input/output error"):
            store.place(partial, "1.2.3", EXPLICIT)
    assert not list((tmp_path / "instances" / "incoming").iterdir())
    name = store.place(written(store), "1.2.3", EXPLICIT)
    assert files_of(tmp_path / "instances") == [name]


@pytest.mark.fault(
    "the disk fills up while an image is written",
    promise="the image is not acknowledged",
    area="disk",
)
def test_a_full_disk_while_writing_is_storage_trouble(
    store: InstanceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = store.start(META)

    def full(descriptor: int, data: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageFull, match="No space left"):
        partial.write(memoryview(b"abc"))
    with pytest.raises(StorageFull):
        store.start(META)
    partial.discard()
    assert files_of(tmp_path / "instances") == []


@pytest.mark.fault(
    "less than `receive.min_free_disk_bytes` is free",
    promise="nothing more is taken",
    area="disk",
)
def test_the_reserve_of_free_space_is_kept(tmp_path: Path) -> None:
    store = InstanceStore(tmp_path / "instances", min_free_bytes=1 << 62)
    store.open()
    with pytest.raises(StorageFull, match="min_free_disk_bytes"):
        store.start(META)


def test_two_senders_may_bring_the_same_conflict_at_once(store: InstanceStore) -> None:
    first = store.place(written(store, b"two"), "1.2.3", EXPLICIT)
    second = store.place(written(store, b"two"), "1.2.3", EXPLICIT)
    assert store.keep_aside(first) == store.keep_aside(second)


def test_other_bytes_under_the_same_uid_get_another_name(store: InstanceStore, tmp_path: Path) -> None:
    first = store.place(written(store, b"one"), "1.2.3", EXPLICIT)
    second = store.place(written(store, b"two"), "1.2.3", EXPLICIT)
    assert first != second
    kept = store.keep_aside(second)
    assert files_of(tmp_path / "instances") == sorted([first, kept])
    assert kept.startswith("conflicts/")


def test_the_same_bytes_again_land_on_the_same_name(store: InstanceStore, tmp_path: Path) -> None:
    first = store.place(written(store), "1.2.3", EXPLICIT)
    (tmp_path / "instances" / first).write_bytes(b"torn by a crash")
    assert store.place(written(store), "1.2.3", EXPLICIT) == first
    assert (tmp_path / "instances" / first).read_bytes() == META + b"abcdef"


@pytest.mark.fault(
    "a UID is made to lead out of the store",
    promise="no part of it is in a file's name",
    area="secret",
)
def test_no_part_of_a_uid_shows_in_a_name(store: InstanceStore) -> None:
    name = store.place(written(store), "../../etc/passwd", EXPLICIT)
    assert set(name) <= set("0123456789abcdef/.dcm")
    assert ".." not in name


@pytest.mark.fault(
    "a receiver died with temporary files",
    promise="they go at the next start, unless somebody writes them",
    area="killed",
)
def test_left_over_temporary_files_go_at_start_unless_someone_writes_them(store: InstanceStore, tmp_path: Path) -> None:
    alive = written(store)
    (tmp_path / "instances" / "incoming" / "dead-1.part").write_bytes(b"half")
    assert InstanceStore(tmp_path / "instances", min_free_bytes=0).open() == 1
    assert files_of(tmp_path / "instances") == [f"incoming/{alive.path.name}"]
    alive.discard()


def test_a_vanished_folder_is_made_again(store: InstanceStore, tmp_path: Path) -> None:
    name = store.place(written(store), "1.2.3", EXPLICIT)
    (tmp_path / "instances" / name).unlink()
    (tmp_path / "instances" / name).parent.rmdir()
    assert store.place(written(store), "1.2.3", EXPLICIT) == name


def test_new_folders_are_synced_into_their_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.path.realpath(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    make_folder(tmp_path / "a" / "b" / "c")
    assert synced == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")]


def test_the_data_set_can_be_looked_at_before_it_is_placed(store: InstanceStore) -> None:
    partial = written(store)
    with partial.data_set() as data:
        assert bytes(data) == b"abcdef"
    partial.discard()
    partial.discard()


@pytest.mark.fault(
    "the store cannot be written",
    promise="the image is not acknowledged",
    area="disk",
)
def test_an_unwritable_folder_is_storage_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFull):
        InstanceStore(tmp_path / "file", min_free_bytes=0).open()


@pytest.mark.parametrize("size", [0, 1, 70_001, 1 << 20, (1 << 20) + 1, 3_300_003])
def test_the_hash_is_that_of_the_data_set_whatever_its_length(store: InstanceStore, tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    partial = store.start(META)
    for start in range(0, size, 123_457):
        partial.write(memoryview(data)[start : start + 123_457])
    partial.complete()
    assert (partial.size, partial.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert (tmp_path / "instances" / store.place(partial, "1.2.3", EXPLICIT)).read_bytes() == META + data


def test_a_prepared_file_becomes_the_instance_and_takes_no_second_one(store: InstanceStore, tmp_path: Path) -> None:
    prepared = store.prepare()
    partial = store.start(META, prepared)
    partial.write(memoryview(b"abcdef"))
    name = store.place(partial, "1.2.3", EXPLICIT)
    assert (tmp_path / "instances" / name).read_bytes() == META + b"abcdef"
    assert files_of(tmp_path / "instances") == [name]


def test_nothing_is_prepared_on_a_full_disk(tmp_path: Path) -> None:
    store = InstanceStore(tmp_path, min_free_bytes=1 << 62)
    store.open()
    with pytest.raises(StorageFull):
        store.prepare()
    assert files_of(tmp_path) == []

"""Documents on disk: written once, found again, never altered."""

import os
from pathlib import Path

import pytest

from config.errors import DocumentRejected
from reporting.document_store import read_document, write_document


def test_a_document_is_found_again_by_what_was_recorded(tmp_path: Path) -> None:
    stored = write_document(tmp_path / "a" / "b", "1.2.3", ".dcm", b"content")
    assert read_document(tmp_path / "a" / "b", stored.path, stored.sha256) == b"content"
    assert stored.size == 7
    assert "1.2.3" not in stored.path


def test_a_rebuild_leaves_the_file_alone(tmp_path: Path) -> None:
    first = write_document(tmp_path, "1.2.3", ".dcm", b"content")
    before = (tmp_path / first.path).stat()
    assert write_document(tmp_path, "1.2.3", ".dcm", b"content") == first
    after = (tmp_path / first.path).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_rebuild_mends_a_file_that_the_disk_has_damaged(tmp_path: Path) -> None:
    first = write_document(tmp_path, "1.2.3", ".dcm", b"content")
    (tmp_path / first.path).write_bytes(b"c0ntent")
    write_document(tmp_path, "1.2.3", ".dcm", b"content")
    assert read_document(tmp_path, first.path, first.sha256) == b"content"


def test_a_rebuild_that_differs_does_not_touch_what_was_recorded(tmp_path: Path) -> None:
    first = write_document(tmp_path, "1.2.3", ".dcm", b"content")
    other = write_document(tmp_path, "1.2.3", ".dcm", b"another")
    assert other.path != first.path
    assert read_document(tmp_path, first.path, first.sha256) == b"content"


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_document(tmp_path, "1.2.3", ".dcm", b"content")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_is_flushed_before_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(handle: int) -> None:
        done.append("folder" if Path(f"/proc/self/fd/{handle}").resolve().is_dir() else "file")
        fsync(handle)

    def note_replace(self: Path, target: Path) -> Path:
        done.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_document(tmp_path, "1.2.3", ".dcm", b"content")
    assert done == ["folder", "file", "name", "folder"]


@pytest.mark.parametrize("damage", [b"CONTENT", None])
def test_what_changed_or_is_gone_is_not_sent(tmp_path: Path, damage: bytes | None) -> None:
    stored = write_document(tmp_path, "1.2.3", ".dcm", b"content")
    target = tmp_path / stored.path
    target.unlink() if damage is None else target.write_bytes(damage)
    with pytest.raises(DocumentRejected):
        read_document(tmp_path, stored.path, stored.sha256)

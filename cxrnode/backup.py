"""``cxrnode backup`` and ``restore``: the database first, then the files it names.

A file comes to disk before its row comes to the database. So a copy of the database that is taken *before* the files
are copied names no file that is missing from the copy; what arrives meanwhile is in the files alone, and
``cxrnode recover`` takes it in. The other way round, rows would name files that nobody copied. A restore goes the other
way: files first, the database last and as a whole, so that one that was interrupted leaves no database and is begun
again.

::

    FOLDER/
    ├── backup.json              what is here; written last, so a folder without it is no backup
    ├── database                 SQLite's file, or pg_dump's custom format
    ├── instances/ documents/    as in data_dir; names are hashes of the content, so a file is copied once
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from config.errors import ActionRefused, StorageFull
from config.settings import Settings
from dicom_node.instance_store.store import CONFLICTS, make_folder, sync_folder
from tracking.engine import backup, schema
from tracking.engine.database import Database

MANIFEST, DATABASE = "backup.json", "database"
_FORMAT = 1
_TREES = ("instances", "documents")
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: ``sha256`` is that of the copy of the database, ``files`` counts those in the folder."""

    format: int
    version: str
    created_at: str
    dialect: str
    schema: str | None
    sha256: str
    files: int


def back_up(settings: Settings, database: Database, folder: Path) -> Manifest:
    """Copy database and files into a folder, new or of an earlier backup, while the services run.

    Raises
    ------
    ActionRefused
        The folder is inside ``data_dir``, or the database cannot be copied.
    StorageFull
        The folder cannot be written.
    """
    data_dir = settings.node.data_dir.absolute()
    if folder.absolute().is_relative_to(data_dir):
        msg = f"{folder} is inside {data_dir}: a disk that fails takes both; give a folder on another one"
        raise ActionRefused(msg)
    try:
        make_folder(folder.absolute())
        partial = folder / f".{DATABASE}.partial"
        backup.copy_database(database, partial)
        files = sum(_copy_tree(data_dir / tree, folder / tree) for tree in _TREES)
        # A file that was moved aside during the walk may have missed it.
        files += _copy_tree(data_dir / "instances" / CONFLICTS, folder / "instances" / CONFLICTS, count_new=True)
        partial.replace(folder / DATABASE)
        manifest = Manifest(
            format=_FORMAT,
            version=version("cxrnode"),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            dialect=database.dialect,
            schema=schema.current(database),
            sha256=_sha256(folder / DATABASE),
            files=files,
        )
        _write_whole(folder / MANIFEST, json.dumps(asdict(manifest), indent=2).encode())
    except OSError as error:
        msg = f"{folder}: the backup could not be written: {error.strerror}; nothing of an earlier one is lost"
        raise StorageFull(msg) from error
    return manifest


def restore(settings: Settings, database: Database, folder: Path) -> Manifest:
    """Put a backup back: files that are missing, then the database, which must be empty.

    Raises
    ------
    ActionRefused
        The folder holds no whole backup, one of another kind of database, or there is a database already.
    StorageFull
        ``data_dir`` cannot be written.
    """
    manifest = read_manifest(folder)
    if manifest.dialect != database.dialect:
        msg = f"{folder} holds a backup of {manifest.dialect}, and database.url is of {database.dialect}: change it"
        raise ActionRefused(msg)
    if _sha256(folder / DATABASE) != manifest.sha256:
        msg = f"{folder}: the copy of the database is not the one that was made; use another backup"
        raise ActionRefused(msg)
    backup.require_empty(database)
    try:
        for tree in _TREES:
            _copy_tree(folder / tree, settings.node.data_dir.absolute() / tree)
        backup.restore_database(database, folder / DATABASE)
    except OSError as error:
        msg = f"{settings.node.data_dir}: the backup could not be put back: {error.strerror}; run it again"
        raise StorageFull(msg) from error
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Return what a backup says of itself.

    Raises
    ------
    ActionRefused
        There is none, or one of a newer version.
    """
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        msg = f"{folder}: there is no whole backup here: {MANIFEST} is missing or cannot be read"
        raise ActionRefused(msg) from None
    if manifest.format != _FORMAT:
        msg = f"{folder}: this backup is of version {manifest.version}; restore it with that version"
        raise ActionRefused(msg)
    return manifest


def _copy_tree(source: Path, target: Path, *, count_new: bool = False) -> int:
    """Copy what is missing, each file durable before it gets its name; return how many files are there then."""
    count = 0
    for relative in _files(source):
        copied = _copy(source / relative, target / relative)
        count += copied is True or (copied is not None and not count_new)
    return count


def _files(tree: Path) -> Iterator[Path]:
    """Walk the finished files of a tree; temporary ones have names of their own."""
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name != "incoming")
        for name in sorted(names):
            if not name.startswith("."):
                yield (Path(folder) / name).relative_to(tree)


def _copy(source: Path, target: Path) -> bool | None:
    """Copy a file unless one of its name and size is there; tell whether it was copied, None where it is gone."""
    try:
        size = source.stat().st_size
        if target.is_file() and target.stat().st_size == size:
            return False
        make_folder(target.parent)
        partial = target.with_name(f".{target.name}.partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as copy, source.open("rb") as file:
            shutil.copyfileobj(file, copy, _PIECE_BYTES)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(source, partial)  # the time of its arrival, by which `recover` tells which came first
        partial.chmod(0o600)
        partial.replace(target)
        sync_folder(target.parent)
    except FileNotFoundError:
        if source.exists():
            raise
        return None
    return True


def _write_whole(file: Path, content: bytes) -> None:
    partial = file.with_name(f".{file.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as copy:
        copy.write(content)
        copy.flush()
        os.fsync(copy.fileno())
    partial.replace(file)
    sync_folder(file.parent)


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return ""

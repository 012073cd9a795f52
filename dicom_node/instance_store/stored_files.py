"""The files that lie in the instance store, and what each says of itself."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.errors import UnreadableInstance
from dicom_node.format.file_meta import PREAMBLE
from dicom_node.format.header import PREFIX_BYTES, FileMeta, read_file_meta
from dicom_node.instance_store.store import FOLDERS, hashed_name

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file by its path relative to the store; ``size`` in bytes counts its file meta information, too."""

    path: str
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class StoredDataSet:
    """What a whole file holds: its meta information, and size in bytes and SHA-256 of its data set."""

    meta: FileMeta
    size: int
    sha256: str


def stored_files(root: Path, *, after: str = "") -> Iterator[StoredFile]:
    """Return every file of the store in the order of the bytes of their paths, those after a path only.

    One folder of the store, 1/258 of it, is in memory at a time. Temporary files are none of the store's yet.
    """
    for folder in sorted(f"{name}/" for name in FOLDERS):
        if folder + "\U0010ffff" <= after:
            continue
        try:
            with os.scandir(root / folder) as entries:
                found = sorted(
                    (entry.name, entry.stat(follow_symlinks=False))
                    for entry in entries
                    if entry.is_file(follow_symlinks=False)
                )
        except FileNotFoundError:
            continue
        for name, status in found:
            if folder + name > after:
                yield StoredFile(folder + name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def holds_any_file(root: Path) -> bool:
    """Say whether the store holds any file."""
    return next(stored_files(root), None) is not None


def read_data_set(path: Path) -> StoredDataSet:
    """Read a file to its end.

    Raises
    ------
    UnreadableInstance
        It is gone, cannot be read, or is no DICOM file.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            meta = _meta(file.read(PREFIX_BYTES))
            file.seek(meta.end)
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        msg = f"the file cannot be read: {error.strerror}"
        raise UnreadableInstance(msg) from error
    return StoredDataSet(meta, size, digest.hexdigest())


def data_set_size(path: Path) -> int | None:
    """Return the size in bytes of a file's data set from its beginning and its length; None if it is no DICOM file."""
    try:
        with path.open("rb") as file:
            meta = _meta(file.read(PREFIX_BYTES))
            return os.fstat(file.fileno()).st_size - meta.end
    except (OSError, UnreadableInstance):
        return None


def is_as_named(path: str, data_set: StoredDataSet) -> bool:
    """Say whether a file holds what its name, a hash of all that it was acknowledged with, says."""
    meta = data_set.meta
    try:
        name = hashed_name(meta.instance_uid, meta.transfer_syntax_uid, data_set.sha256)
    except UnicodeEncodeError:
        return False
    return path.rsplit("/", 1)[-1] == f"{name}.dcm"


def _meta(head: bytes) -> FileMeta:
    if head[128:132] != PREAMBLE[128:]:
        msg = "this is no DICOM file: the prefix DICM is missing (PS3.10 7.1)"
        raise UnreadableInstance(msg)
    return read_file_meta(head)

"""Documents on disk: durable before they are recorded, under hashed names, never altered afterwards."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from config.errors import DocumentRejected


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A document in the store; ``path`` is relative to it."""

    path: str
    sha256: str
    size: int


def write_document(store: Path, uid: str, suffix: str, content: bytes) -> StoredFile:
    """Put a document into the store and return once it would survive a loss of power.

    The name is made of hashes of the UID and of the content. So a rebuild finds its file already there, and a
    rebuild that differs (after an upgrade, say) cannot change one that was already recorded.
    """
    digest = hashlib.sha256(content).hexdigest()
    name = f"{hashlib.sha256(uid.encode()).hexdigest()[:32]}-{digest[:16]}{suffix}"
    relative = Path(name[:2]) / name
    target = store / relative
    if target.is_file() and target.read_bytes() == content:
        _sync_folder(target.parent)  # a kill may have come between the rename and its flush
    else:
        _make_folder(target.parent)
        _write_durably(target, content)
    return StoredFile(relative.as_posix(), digest, len(content))


def read_document(store: Path, path: str, sha256: str) -> bytes:
    """Return a recorded document.

    Raises
    ------
    DocumentRejected
        It is gone, or is not what was recorded; nothing else may be sent in its name.
    """
    target = store / path
    try:
        content = target.read_bytes()
    except FileNotFoundError:
        msg = "its file is missing from the document store; restore it from a backup"
        raise DocumentRejected(msg) from None
    if hashlib.sha256(content).hexdigest() != sha256:
        msg = "its file has changed since it was recorded; restore it from a backup and check the disk"
        raise DocumentRejected(msg)
    return content


def _write_durably(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents, each made durable in the one above it."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(new.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

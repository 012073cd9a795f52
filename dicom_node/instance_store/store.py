"""The instance store on disk: what it has confirmed survives a power cut, and no peer chooses a path.

A data set is written to a temporary file in the same file system while it arrives. ``place`` then flushes the
file, renames it to its final name and flushes the folder that now holds it. The final name is a hash of the SOP
Instance UID *and* of the content, so two data sets that claim one UID can never overwrite each other, and a
resend of the same bytes heals whatever a kill between the rename and the database's commit has left behind.

::

    instances/
    ├── incoming/            temporary files; emptied when the receiver starts
    ├── 0/0/ … f/f/          <sha256>.dcm
    ├── conflicts/           same UID, other bytes: kept, not analysed unless an administrator accepts them
    └── uploads/             what users of the console brought, under UIDs of this node
"""

import contextlib
import fcntl
import hashlib
import itertools
import mmap
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from config.errors import StorageFull
from config.logs import get_logger

_log = get_logger(__name__)
_HEXADECIMAL = "0123456789abcdef"
_INCOMING = "incoming"
CONFLICTS = "conflicts"
UPLOADS = "uploads"
FOLDERS = (*(f"{first}/{second}" for first in _HEXADECIMAL for second in _HEXADECIMAL), CONFLICTS, UPLOADS)
"""Every folder, relative to the root, that holds placed files."""
_SUFFIX = ".part"
_PIECE_BYTES = 1 << 20
"""So much of a data set is handed to the disk at a time while more arrives: the flush at its end has less to wait for.
Smaller pieces cost more than they save."""


class _Hash(Protocol):
    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class InstanceStore:
    """Durable files for received instances below one folder.

    Any number of receivers may share a store: a temporary file is locked by the process that writes it, and
    ``open`` removes only those that nobody holds. Every ``OSError`` of the file system comes out as
    :class:`~config.errors.StorageFull`, because to the sender it means the same: try again later.
    """

    def __init__(self, root: Path, *, min_free_bytes: int) -> None:
        self._root = root
        self._incoming = root / _INCOMING
        self._min_free_bytes = min_free_bytes
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count()

    def open(self) -> int:
        """Make the folders durable, remove left-over temporary files and return how many there were."""
        try:
            make_folder(self._root)
            _make_subfolders(self._root, (_INCOMING, CONFLICTS, UPLOADS, *_HEXADECIMAL))
            for first in _HEXADECIMAL:
                _make_subfolders(self._root / first, _HEXADECIMAL)
            left_over = 0
            for path in self._incoming.glob(f"*{_SUFFIX}"):
                left_over += _remove_unless_locked(path)
        except OSError as error:
            raise _trouble("prepare the instance folder", error) from error
        if left_over:
            _log.info("unfinished files of an earlier run removed", count=left_over)
        return left_over

    def check_space(self, needed: int = 0) -> None:
        """Raise StorageFull when writing ``needed`` more bytes would go below the reserve."""
        try:
            disk = os.statvfs(self._root)
        except OSError as error:
            raise _trouble("measure the free disk space", error) from error
        if disk.f_bavail * disk.f_frsize - needed < self._min_free_bytes:
            msg = "free disk space is below receive.min_free_disk_bytes; make room in node.data_dir"
            raise StorageFull(msg)

    def prepare(self) -> "PartialFile":
        """Open an empty temporary file: what takes longest of :meth:`start`, for when there is nothing else to do."""
        self.check_space()
        path = self._incoming / f"{self._run}-{next(self._numbers)}{_SUFFIX}"
        try:
            return PartialFile(path)
        except OSError as error:
            raise _trouble("write into the instance folder", error) from error

    def start(self, file_meta: bytes, prepared: "PartialFile | None" = None) -> "PartialFile":
        """Open a temporary file, or take the prepared one, and begin it with the preamble and ``file_meta``."""
        partial = prepared if prepared is not None else self.prepare()
        try:
            partial.begin(file_meta)
        except OSError as error:
            partial.discard()
            raise _trouble("write into the instance folder", error) from error
        return partial

    def place(self, partial: "PartialFile", instance_uid: str, transfer_syntax_uid: str) -> str:
        """Make the data set durable under its final name and return that name, relative to the root."""
        name = hashed_name(instance_uid, transfer_syntax_uid, partial.sha256)
        return self._move(partial, f"{name[0]}/{name[1]}/{name}.dcm")

    def place_upload(self, partial: "PartialFile", instance_uid: str, transfer_syntax_uid: str) -> str:
        """Make an uploaded data set durable, as :meth:`place` does, apart from what was received."""
        name = hashed_name(instance_uid, transfer_syntax_uid, partial.sha256)
        return self._move(partial, f"{UPLOADS}/{name}.dcm")

    def keep_aside(self, placed: str) -> str:
        """Move a placed file to the conflicts folder, durably, and return its new name."""
        kept = f"{CONFLICTS}/{placed.rsplit('/', 1)[-1]}"
        source, target = self._root / placed, self._root / kept
        try:
            try:
                source.rename(target)
            except FileNotFoundError:  # another sender brought the same bytes, and they are kept already
                if not target.exists():
                    raise
            sync_folder(target.parent)
            sync_folder(source.parent)
        except OSError as error:
            raise _trouble("keep a conflicting instance aside", error) from error
        return kept

    def put_back(self, placed: str, recorded: str) -> None:
        """Move a placed file, durably, to where the database says that its bytes are."""
        source, target = self._root / placed, self._root / recorded
        try:
            make_folder(target.parent)
            source.rename(target)
            sync_folder(target.parent)
            sync_folder(source.parent)
        except OSError as error:
            raise _trouble("put an instance back where it is on record", error) from error

    def remove(self, placed: str) -> None:
        """Remove a placed file that nothing refers to; failing at it is no harm."""
        try:
            (self._root / placed).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("a superfluous file could not be removed", error=error.strerror)

    def _move(self, partial: "PartialFile", name: str) -> str:
        target = self._root / name
        try:
            partial.flush_to_disk()
            try:
                partial.path.rename(target)
            except FileNotFoundError:  # somebody removed an empty folder
                make_folder(target.parent)
                partial.path.rename(target)
            sync_folder(target.parent)
            partial.close()
        except OSError as error:
            raise _trouble("make an instance durable", error) from error
        finally:
            partial.discard()
        return name


class PartialFile:
    """A data set on its way to disk: bytes written, hashed and counted as they come.

    The first piece is hashed when the disk has begun with it. Of most data sets it is all there is, and the disk works
    meanwhile; of a longer one the disk is at work on earlier pieces anyway.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hash: _Hash = hashlib.sha256()
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.data_offset = 0
        self._handed_over = 0
        self._unhashed = bytearray()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.discard()
            raise

    def begin(self, file_meta: bytes) -> None:
        """Write what stands before the data set."""
        _write_all(self.descriptor, memoryview(file_meta))
        self.data_offset = len(file_meta)

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the encoded data set as received, without preamble and file meta."""
        self._hash_first_piece()
        return self._hash.hexdigest()

    @property
    def descriptor(self) -> int:
        """The open file, for reading back what was written."""
        if self._descriptor is None:
            msg = "the file is closed"
            raise ValueError(msg)
        return self._descriptor

    def write(self, data: memoryview) -> None:
        """Append encoded bytes of the data set."""
        try:
            _write_all(self.descriptor, data)
            self.size += len(data)
            if self._handed_over:
                self._hash.update(data)
            else:
                self._unhashed += data
            whole_pieces = self.size // _PIECE_BYTES * _PIECE_BYTES
            if whole_pieces > self._handed_over:
                self._hand_over(whole_pieces)
                self._hash_first_piece()
        except OSError as error:
            raise _trouble("write an instance", error) from error

    def complete(self) -> None:
        """Let the disk begin with the rest: all has come, and something is left to do before the flush."""
        self._hand_over(self.data_offset + self.size)

    @contextmanager
    def data_set(self) -> Iterator[memoryview]:
        """Look at the data set as written so far, without reading it into memory."""
        length = self.data_offset + self.size
        with (
            mmap.mmap(self.descriptor, length, prot=mmap.PROT_READ) as mapped,
            memoryview(mapped) as whole,
            whole[self.data_offset :] as data,
        ):
            yield data

    def _hand_over(self, end: int) -> None:
        """Start to write out up to this byte, which is what POSIX_FADV_DONTNEED does first on Linux."""
        with contextlib.suppress(OSError):  # a hint; what is wrong with the disk, the flush will say
            os.posix_fadvise(self.descriptor, self._handed_over, end - self._handed_over, os.POSIX_FADV_DONTNEED)
        self._handed_over = end

    def _hash_first_piece(self) -> None:
        """Hash what was received, from memory: read back, it would be what the disk made of it."""
        self._hash.update(self._unhashed)
        self._unhashed.clear()

    def flush_to_disk(self) -> None:
        """Return only when the bytes and the length are on the disk."""
        os.fsync(self.descriptor)

    def close(self) -> None:
        """Close the file and leave it where it is; safe to call twice."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None  # gone even where this fails: another file may get it
            os.close(descriptor)

    def discard(self) -> None:
        """Close the file and remove its temporary name; safe to call twice, and after ``close``.

        Failing at it is no harm, the next start tries again; the association that ends with it must not fail, too.
        """
        if self._descriptor is None:
            return
        try:
            self.close()
            self.path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("an unfinished file could not be removed", error=error.strerror)


def _remove_unless_locked(path: Path) -> bool:
    """Remove a temporary file whose writer is gone; tell whether it was."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create a folder and every missing parent so that they survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk: without this a rename may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_subfolders(parent: Path, names: Iterable[str]) -> None:
    """Create the folders that are missing, and sync their parent once."""
    present = {path.name for path in parent.iterdir()}
    missing = [name for name in names if name not in present]
    for name in missing:
        (parent / name).mkdir(mode=0o700, exist_ok=True)
    if missing:
        sync_folder(parent)


def hashed_name(instance_uid: str, transfer_syntax_uid: str, sha256: str) -> str:
    """Hash what makes a file unique; the separator cannot occur in a UID or in a hexadecimal digest."""
    return hashlib.sha256(f"{instance_uid}\n{transfer_syntax_uid}\n{sha256}".encode("ascii")).hexdigest()


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _trouble(what: str, error: OSError) -> StorageFull:
    return StorageFull(f"could not {what}: {os.strerror(error.errno or 0)}; check the disk of node.data_dir")

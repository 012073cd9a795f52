"""Documents on disk, read only where they are the very bytes that were recorded."""

import hashlib
from pathlib import Path

from config.errors import UnreadableInstance
from tracking.lists.study_page import StoredFile
from tracking.outbox.document_kinds import KINDS, Encoding

MOST_BYTES = 512 * 1024 * 1024
MEDIA_TYPES = tuple(encoding.value for encoding in Encoding)
UNBUILT = "The document is built when it is first sent; there are no bytes of it yet."


def media_type(kind: str) -> str:
    """Return the media type of a kind of document."""
    return KINDS[kind].encoding.value


def attachment(kind: str, name: str) -> dict[str, str]:
    """Return the header that lets a document be kept as a file of a name, with the ending of its kind."""
    return {"Content-Disposition": f'attachment; filename="{name}{KINDS[kind].suffix}"'}


def read_stored(folder: Path, file: StoredFile) -> bytes:
    """Return the bytes of a document.

    Raises
    ------
    UnreadableInstance
        The file is gone, outside the store, too large, or was altered since it was built.
    """
    root = folder.resolve()
    path = (root / file.path).resolve()
    if not path.is_relative_to(root) or file.size > MOST_BYTES:
        msg = f"document {file.uid}: its record does not name a document of this store"
        raise UnreadableInstance(msg)
    try:
        content = path.read_bytes() if path.stat().st_size == file.size else b""
    except OSError as error:
        msg = f"document {file.uid}: its file cannot be read: {error.strerror}; restore it from the backup"
        raise UnreadableInstance(msg) from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        msg = f"document {file.uid}: its file was altered after it was built; restore it from the backup"
        raise UnreadableInstance(msg)
    return content

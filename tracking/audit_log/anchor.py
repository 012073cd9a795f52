"""Anchors: the audit log's head, noted outside the database, so that a shortened or replaced log is found.

An anchor file has one JSON object a line, the newest last. The node keeps one of its own beside the instance store
(:data:`OWN_NAME`): a database that lacks its line is older than the files, or another one.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import SettingsError
from tracking.engine.clock import now_ms, to_datetime
from tracking.tables.models import AuditEvent, AuditHead

OWN_NAME = "audit.anchor"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The number and hash of what was the last line of the log, and when (UTC, ISO 8601)."""

    seq: int
    hash: str
    at: str


def current(read: Session) -> Anchor:
    """Return the log's head; ``seq`` is 0 while it has no line."""
    seq, digest, now = read.execute(
        select(AuditHead.seq, AuditHead.hash, now_ms()).where(AuditHead.id == 1)
    ).one()  # fmt: skip
    return Anchor(seq, digest, to_datetime(now).isoformat(timespec="seconds"))


def lost(read: Session, anchors: Iterable[Anchor]) -> Anchor | None:
    """Return the first anchor whose line the log does not have, or has with another hash; None if it has all."""
    for anchor in anchors:
        if anchor.seq and read.scalar(select(AuditEvent.hash).where(AuditEvent.seq == anchor.seq)) != anchor.hash:
            return anchor
    return None


def read_anchors(file: Path) -> list[Anchor]:
    """Return the anchors of a file.

    Raises
    ------
    SettingsError
        It is not there, cannot be read, or is no anchor file.
    """
    try:
        return [_parse(line) for line in file.read_text(encoding="ascii").splitlines() if line.strip()]
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror}; `cxrnode audit anchor {file}` begins one"
        raise SettingsError(msg) from None
    except (ValueError, TypeError, KeyError):
        msg = f"{file}: this is no anchor file; name the one that `cxrnode audit anchor` writes"
        raise SettingsError(msg) from None


def append_anchor(file: Path, anchor: Anchor) -> None:
    """Add an anchor to a file, durable when this returns.

    Raises
    ------
    SettingsError
        It cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a", encoding="ascii") as lines:
            lines.write(_line(anchor))
            lines.flush()
            os.fsync(descriptor)
    except OSError as error:
        msg = f"{file}: cannot be written: {error.strerror}; give a file on another machine's disk"
        raise SettingsError(msg) from None


def own_anchor(data_dir: Path) -> Anchor | None:
    """Return the anchor that the node keeps beside its files; None if there is none yet, or it cannot be read."""
    try:
        anchors = read_anchors(data_dir / OWN_NAME)
    except SettingsError:
        return None
    return anchors[-1] if anchors else None


def keep_own_anchor(data_dir: Path, anchor: Anchor) -> None:
    """Replace the anchor that the node keeps beside its files, as a whole or not at all.

    Raises
    ------
    OSError
        It cannot be written.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = data_dir / f".{OWN_NAME}.{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(_line(anchor).encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(data_dir / OWN_NAME)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _line(anchor: Anchor) -> str:
    return json.dumps(asdict(anchor)) + "\n"


def _parse(line: str) -> Anchor:
    entry = json.loads(line)
    seq, digest, at = entry["seq"], entry["hash"], entry["at"]
    if not (isinstance(seq, int) and isinstance(digest, str) and isinstance(at, str)):
        raise TypeError
    return Anchor(seq, digest, at)

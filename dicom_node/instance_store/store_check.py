"""Store against database: files that no row names, and rows whose file is missing or other than recorded.

Both sides come sorted by path and are merged, so neither is ever in memory as a whole. A file comes to the store before
its row comes to the database: what the walk finds beyond the rows was being received, if it is young.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sqlalchemy.orm import Session

from config.errors import UnreadableInstance
from dicom_node.format.file_meta import file_meta
from dicom_node.instance_store.stored_files import StoredFile, data_set_size, read_data_set, stored_files
from tracking.studies.recorded_files import RecordedFile, recorded_files

ARRIVAL_SECONDS = 60
"""A file that is on no record for so long is not being received any more: a receiver records it within a second."""
_MOST_EXAMPLES = 1000


class Difference(StrEnum):
    """In what a file and its row differ."""

    UNNAMED = "unnamed"
    MISSING = "missing"
    OTHER_SIZE = "other-size"
    OTHER_CONTENT = "other-content"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A file without a row, a row without a file, or a pair that does not match; UIDs where there is a row."""

    difference: Difference
    path: str
    study_uid: str | None = None
    instance_uid: str | None = None


@dataclass
class StoreVerdict:
    """What a comparison came to: counts, and the first mismatches.

    ``arriving`` counts young files without a row, which are no mismatch. ``last_path`` is how far it came.
    """

    files: int = 0
    rows: int = 0
    arriving: int = 0
    counts: dict[Difference, int] = field(default_factory=lambda: dict.fromkeys(Difference, 0))
    examples: list[Mismatch] = field(default_factory=list)
    last_path: str = ""

    @property
    def matches(self) -> bool:
        """Say whether store and database agree."""
        return not any(self.counts.values())

    @property
    def lacking(self) -> int:
        """Return how many rows have no file with the recorded bytes."""
        return sum(count for difference, count in self.counts.items() if difference is not Difference.UNNAMED)


def compare(read: Session, root: Path, *, contents: bool = False, after: str = "") -> StoreVerdict:
    """Compare the store with the database.

    Parameters
    ----------
    read
        Sees one moment of the database.
    root
        The folder of the instance store.
    contents
        Also read every file and compare its SHA-256; else presence and size alone are compared.
    after
        Leave out everything up to this path, to go on where an earlier comparison was broken off.
    """
    verdict = StoreVerdict(last_path=after)
    settled_ns = time.time_ns() - ARRIVAL_SECONDS * 10**9
    for file, row in _pairs(stored_files(root, after=after), _beyond(recorded_files(read), after)):
        verdict.files += file is not None
        verdict.rows += row is not None
        mismatch = _mismatch(root, file, row, contents=contents)
        if mismatch is not None and file is not None and row is None and file.changed_ns > settled_ns:
            verdict.arriving += 1
        elif mismatch is not None:
            verdict.counts[mismatch.difference] += 1
            if len(verdict.examples) < _MOST_EXAMPLES:
                verdict.examples.append(mismatch)
        verdict.last_path = file.path if file is not None else row.path if row is not None else verdict.last_path
    return verdict


def unnamed_files(read: Session, root: Path) -> list[StoredFile]:
    """Return the files that no row names, those first that were written first."""
    pairs = _pairs(stored_files(root), recorded_files(read))
    return sorted((file for file, row in pairs if file is not None and row is None), key=_age)


def _age(file: StoredFile) -> tuple[int, str]:
    return file.modified_ns, file.path


def _beyond(rows: Iterator[RecordedFile], after: str) -> Iterator[RecordedFile]:
    return (row for row in rows if row.path > after)


def _pairs(
    files: Iterator[StoredFile], rows: Iterator[RecordedFile]
) -> Iterator[tuple[StoredFile | None, RecordedFile | None]]:
    """Merge files and rows, both sorted by path; a file that several rows name comes once with each."""
    file, row = next(files, None), next(rows, None)
    while file is not None or row is not None:
        if row is None or (file is not None and file.path < row.path):
            yield file, None
            file = next(files, None)
        elif file is None or row.path < file.path:
            yield None, row
            row = next(rows, None)
        else:
            path = row.path
            while row is not None and row.path == path:
                yield file, row
                row = next(rows, None)
            file = next(files, None)


def _mismatch(root: Path, file: StoredFile | None, row: RecordedFile | None, *, contents: bool) -> Mismatch | None:
    if row is None:
        return None if file is None else Mismatch(Difference.UNNAMED, file.path)
    difference = Difference.MISSING if file is None else _difference(root, file, row, contents=contents)
    return None if difference is None else Mismatch(difference, row.path, row.study_uid, row.instance_uid)


def _difference(root: Path, file: StoredFile, row: RecordedFile, *, contents: bool) -> Difference | None:
    if contents:
        try:
            data_set = read_data_set(root / file.path)
        except UnreadableInstance:
            return Difference.OTHER_CONTENT
        if data_set.size != row.size:
            return Difference.OTHER_SIZE
        return None if data_set.sha256 == row.sha256 else Difference.OTHER_CONTENT
    return None if _has_size(root, file, row) else Difference.OTHER_SIZE


def _has_size(root: Path, file: StoredFile, row: RecordedFile) -> bool:
    """Compare the length with what this version writes; open the file only where another one may have."""
    if row.sop_class_uid is not None and row.transfer_syntax_uid is not None:
        meta = file_meta(row.sop_class_uid, row.instance_uid, row.transfer_syntax_uid)
        if file.size == len(meta) + row.size:
            return True
    return data_set_size(root / file.path) == row.size

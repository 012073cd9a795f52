"""Folders that are written as a whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import DataError


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a new folder to write into; it becomes ``out`` at the end, or vanishes when anything goes wrong.

    Raises
    ------
    DataError
        When ``out`` is there already and is not empty, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is there already: give a new folder, or remove that one")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise DataError(f"{out} cannot be written ({error.strerror}): give another folder") from None
    try:
        yield partial
        partial.chmod(0o755)  # a temporary folder is its owner's alone
        if out.exists():
            out.rmdir()
        partial.replace(out)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise DataError(
                f"{out} could not be written ({error.strerror}): make room, or give another folder"
            ) from None
        raise

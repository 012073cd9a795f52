"""Names for files that are written beside a user's own."""

from pathlib import Path


def free_path(path: Path) -> Path:
    """Return the path, or with ``-2``, ``-3`` … at the end of its stem where something lies there already."""
    free, number = path, 1
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free

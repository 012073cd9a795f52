"""Reading the results that a benchmark left for the page of models."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from config.errors import DataError

Section = Callable[[Mapping[str, Any]], str]


def read_results(path: Path, section: Section, what: str, benchmark: str) -> dict[str, Any] | None:
    """Read a benchmark's results, of which ``section`` makes its part of the page; None where there are none.

    Raises :class:`DataError` for a file that is something else: ``what`` it should hold, and by which ``benchmark``.
    """
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        section(document)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path.name} holds no figures of {what}: run benchmarks.{benchmark} again") from error
    return document

"""What tells kept work apart: a digest of all that it follows from, so that nobody takes it for another's.

That is the recipe's settings, everything known about the pictures, the content of the weights that were started from
and the version of this program. Pictures count by name and size, so asking for a key reads none of them.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example
from training.recipe.recipe import Recipe

_NOT_FITTED_BY: set[str] = {"package", "data", "findings", "points", "members", "tune", "quick", "experiments"}
"""What a fit does not depend on; which pictures the data table chose is seen from the pictures."""
_LENGTH = 20


def program() -> str:
    """Return the version of this program: another one may do the same work otherwise."""
    return version("cxrnode")


def fit_key(recipe: Recipe, parts: Mapping[str, Sequence[Example]], weights: str, *more: object) -> str:
    """Return the key of a fit.

    Parameters
    ----------
    recipe
        Its settings, but for those that no fit depends on.
    parts
        The pictures by what they are used for.
    weights
        What :func:`of_file` or :func:`of_arrays` said of the weights that are started from.
    more
        Whatever else the work follows from.
    """
    # The name of the weights file says nothing that its content does not.
    left_out: dict[str, Any] = {**dict.fromkeys(_NOT_FITTED_BY, True), "network": {"weights"}}
    return _key(recipe.model_dump_json(exclude=left_out), parts, weights, more)


def whole_key(recipe: Recipe, parts: Mapping[str, Sequence[Example]], weights: str, *more: object) -> str:
    """Return the key of what follows from the whole recipe, such as a package; parameters as :func:`fit_key` has."""
    return _key(recipe.model_dump_json(), parts, weights, more)


def of_file(start: Path | None) -> str:
    """Return the SHA-256 of a weights file; its name where it is none, as of Keras's own download; "" of None."""
    if start is None:
        return ""
    if not start.is_file():
        return str(start)
    with start.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def of_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """Return the SHA-256 of numbers."""
    sums = hashlib.sha256()
    for array in arrays:
        sums.update(f"{array.dtype}{array.shape}".encode())
        sums.update(np.ascontiguousarray(array).tobytes())
    return sums.hexdigest()


def of_picture(example: Example) -> str:
    """Return a picture's name and size in bytes."""
    try:
        return f"{example.file}/{example.path.stat().st_size}"
    except OSError:  # who reads it will say so
        return example.file


def _key(settings: str, parts: Mapping[str, Sequence[Example]], weights: str, more: Sequence[object]) -> str:
    sums = hashlib.sha256(repr((program(), settings, weights, [str(one) for one in more])).encode())
    for name, examples in parts.items():
        sums.update(repr((name, len(examples))).encode())
        for example in examples:
            sums.update(repr((of_picture(example), *_known(example))).encode())
    return sums.hexdigest()[:_LENGTH]


def _known(example: Example) -> list[object]:
    """Return all that is known about a picture, in an order that repeats."""

    def plain(value: object) -> object:
        if isinstance(value, Mapping):
            return sorted(value.items())
        return sorted(value) if isinstance(value, frozenset) else value

    return [plain(getattr(example, field.name)) for field in fields(example) if field.name != "path"]

"""Reading single attributes from sloppy data sets: a bad value is an absent value, never a failure."""

import math
import string

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

_PADDING = string.whitespace + "\0\u00a0\u3000"


def values_of(dataset: Dataset, keyword: str) -> tuple[object, ...]:
    """Return the values of an attribute: empty when it is absent, empty or cannot be converted."""
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom converts on access and raises whatever the bytes lead it to
        return ()
    if value is None:
        return ()
    # A person's name can be iterated, too: letter by letter.
    return tuple(value) if isinstance(value, MultiValue | Sequence | list | tuple) else (value,)


def numbers_of(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return the finite numbers of an attribute; empty when any of its values is not one."""
    numbers: list[float] = []
    for value in values_of(dataset, keyword):
        try:
            number = float(value)  # type: ignore[arg-type]  # whatever the VR gave; refused below if no number
        except (ValueError, TypeError, OverflowError):
            return ()
        if not math.isfinite(number):
            return ()
        numbers.append(number)
    return tuple(numbers)


def number_of(dataset: Dataset, keyword: str, default: float) -> float:
    """Return the first number of an attribute, or the default."""
    numbers = numbers_of(dataset, keyword)
    return numbers[0] if numbers else default


def integer_of(dataset: Dataset, keyword: str, default: int) -> int:
    """Return the first number of an attribute as an integer, or the default."""
    return int(number_of(dataset, keyword, default))


def texts_of(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the values of an attribute as text without padding: spaces, NULs and line ends in any order."""
    return tuple(str(value).strip(_PADDING) for value in values_of(dataset, keyword))


def text_of(dataset: Dataset, keyword: str) -> str:
    """Return all values of an attribute as one text, empty when it is absent."""
    return " ".join(text for text in texts_of(dataset, keyword) if text)


def items_of(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a sequence; empty when it is absent or is no sequence."""
    return tuple(value for value in values_of(dataset, keyword) if isinstance(value, Dataset))

"""The tree of a structured report that was read back: what is asked of every item, asked of pydicom once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from pydicom import Dataset

from reporting.elements import tag_of


@dataclass(frozen=True, slots=True)
class ContentItem:
    """One content item and those beneath it."""

    item: Dataset
    kind: str
    """Value Type (0040,A040); empty where it is missing."""
    concept: str
    """Code Value of the concept name; empty where there is none, or a long one."""
    children: tuple[Self, ...]

    @classmethod
    def of(cls, item: Dataset) -> Self:
        """Return an item, or a document, with all beneath it."""
        names = item.get("ConceptNameCodeSequence")
        return cls(
            item,
            _term(item, "ValueType"),
            _term(names[0], "CodeValue") if names else "",
            tuple(cls.of(child) for child in item.get("ContentSequence") or ()),
        )

    def walk(self) -> Iterator[Self]:
        """Yield this item and all beneath it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()


def _term(item: Dataset, keyword: str) -> str:
    """Return a short value as it stands in the file: pydicom's own way to it costs more than all else here."""
    tag = tag_of(keyword)
    value = item.get_item(tag).value if tag in item else None
    return value.rstrip(b" \0").decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")

"""The tree of a structured report that was read back: what is asked of every item, asked of pydicom once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from pydicom import Dataset


@dataclass(frozen=True, slots=True)
class Node:
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
            str(item.get("ValueType", "")),
            str(names[0].get("CodeValue", "")) if names else "",
            tuple(cls.of(child) for child in item.get("ContentSequence") or ()),
        )

    def walk(self) -> Iterator[Self]:
        """Yield this item and all beneath it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()

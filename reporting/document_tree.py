"""A document as people read it: a tree of names and values."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class DocumentItem:
    """A content item of a structured report (PS3.3 C.17.3), or an element of a Bundle, and those beneath it."""

    name: str
    """Meaning of a content item's concept name, or its value type where it has none; the name of an element."""
    value: str
    """Empty for a container."""
    children: tuple[Self, ...]


@dataclass(frozen=True, slots=True)
class DocumentTree:
    """A document as text; ``facts`` are names and values about the document itself."""

    facts: tuple[tuple[str, str], ...]
    root: DocumentItem

"""Finding the terms of a table in a header's text: whole words, whatever their case, accents, width and padding."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Generic, Self, TypeVar

Meaning = TypeVar("Meaning")

_SYLLABIC = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
"""Kana, Hangul and Han: written without spaces, so each character counts as a word."""
_WORD = re.compile(rf"[{_SYLLABIC}]|[^\W\d_{_SYLLABIC}]+|\d+")
_LETTER = rf"[^\W_{_SYLLABIC}]"
_INITIALS = re.compile(rf"(?<!{_LETTER})(?:(P)\s*[-./>→–]+\s*(A)|(A)\s*[-./>→–]+\s*(P)|([LR])[-/](L))(?!\.?{_LETTER})")
"""P.A., A-P, p.-a., P->A, L-L and the like."""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text in upper case, without accents, punctuation and difference of width.

    Digits are words of their own, so that "PA1" holds the word "PA". "P.A." and its like are one word.
    """
    plain = text.upper() if text.isascii() else _without_marks(text)
    joined = _INITIALS.sub(lambda match: "".join(group for group in match.groups() if group), plain)
    return tuple(_WORD.findall(joined))


def _without_marks(text: str) -> str:
    """Return a text in upper case and ordinary width, without combining marks such as accents."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).upper())
    return unicodedata.normalize("NFC", "".join(c for c in folded if not unicodedata.category(c).startswith("M")))


class Terms(Generic[Meaning]):
    """A table from terms of one or more words to what they mean. None as a meaning: the term says nothing.

    Raises ValueError when one term is given two meanings.
    """

    def __init__(self, meanings: Iterable[tuple[str, Meaning | None]]) -> None:
        self._meanings: dict[tuple[str, ...], Meaning | None] = {}
        for term, meaning in meanings:
            key = words(term)
            if not key or self._meanings.setdefault(key, meaning) != meaning:
                msg = f"the term {term!r} is empty or has two meanings"
                raise ValueError(msg)
        self._longest: dict[str, int] = {}
        for key in self._meanings:
            self._longest[key[0]] = max(len(key), self._longest.get(key[0], 0))

    @classmethod
    def of(cls, table: Mapping[Meaning | None, Mapping[str, Iterable[str]]]) -> Self:
        """Return the terms of a table: meaning, then language, then terms."""
        return cls(
            (term, meaning) for meaning, languages in table.items() for terms in languages.values() for term in terms
        )

    def find(self, text: str) -> tuple[Meaning, ...]:
        """Return what the terms in a text mean, in its order; of terms that overlap, the first and longest counts."""
        found: list[Meaning] = []
        text_words = words(text)
        position = 0
        while position < len(text_words):
            length = self._length_at(text_words, position)
            if length:
                meaning = self._meanings[text_words[position : position + length]]
                if meaning is not None:
                    found.append(meaning)
            position += length or 1
        return tuple(found)

    def _length_at(self, text_words: tuple[str, ...], position: int) -> int:
        for length in range(self._longest.get(text_words[position], 0), 0, -1):
            if text_words[position : position + length] in self._meanings:
                return length
        return 0


_PLACEHOLDERS = {
    (), ("UNKNOWN",), ("OTHER",), ("UNSPECIFIED",), ("NOT", "SPECIFIED"), ("NONE",), ("DEFAULT",), ("N", "A"), ("NA",),
    ("UNDEFINED",), ("NULL",), ("BODY",), ("WHOLE", "BODY"), ("WHOLEBODY",),
}  # fmt: skip


def is_placeholder(text: str) -> bool:
    """Tell whether a value stands for an absent one."""
    return words(text) in _PLACEHOLDERS

"""Specific Character Set (0008,0005): what a source declares, what it meant, and text that fits into it."""

import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import PersonName

_WITHOUT_EXTENSIONS = frozenset(
    {
        "", "ISO_IR 6", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127",
        "ISO_IR 126", "ISO_IR 138", "ISO_IR 148", "ISO_IR 203", "ISO_IR 13", "ISO_IR 166", "ISO_IR 192",
        "GB18030", "GBK",
    }
)  # fmt: skip
_WITH_EXTENSIONS = frozenset(
    {
        "", "ISO 2022 IR 6", "ISO 2022 IR 100", "ISO 2022 IR 101", "ISO 2022 IR 109", "ISO 2022 IR 110",
        "ISO 2022 IR 144", "ISO 2022 IR 127", "ISO 2022 IR 126", "ISO 2022 IR 138", "ISO 2022 IR 148",
        "ISO 2022 IR 203", "ISO 2022 IR 13", "ISO 2022 IR 166", "ISO 2022 IR 87", "ISO 2022 IR 159",
        "ISO 2022 IR 149", "ISO 2022 IR 58",
    }
)  # fmt: skip
_DELIMITERS = {0x0A, 0x0C, 0x0D, 0x09}
_PYTHON_CODECS = {
    "ISO_IR 100": "latin-1", "ISO_IR 101": "iso8859-2", "ISO_IR 109": "iso8859-3", "ISO_IR 110": "iso8859-4",
    "ISO_IR 144": "iso8859-5", "ISO_IR 127": "iso8859-6", "ISO_IR 126": "iso8859-7", "ISO_IR 138": "iso8859-8",
    "ISO_IR 148": "iso8859-9", "ISO_IR 203": "iso8859-15", "ISO_IR 166": "iso8859-11", "ISO_IR 192": "utf-8",
    "GB18030": "gb18030", "GBK": "gbk",
}  # fmt: skip
_ASCII_ALONE = frozenset({"ISO_IR 6", "ISO 2022 IR 6"})
_SPELT = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O"})
"""Letters that are no base letter with an accent."""
_LATIN_9 = frozenset({"ISO_IR 203", "ISO 2022 IR 203"})


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's complaints about a source to itself: they repeat values, and a sloppy source is no event."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """The terms to declare in an output that repeats a source's bytes; empty means the default repertoire.

    ``known`` is false where nobody can tell what the bytes mean: nothing usable was declared, and no default was set.
    The terms are then the source's own, whatever they are, and only ASCII is understood.
    """

    terms: tuple[str, ...] = ()
    known: bool = True

    @property
    def value(self) -> str:
        """Return the attribute's value as it stands in a file, terms joined by a backslash."""
        return "\\".join(self.terms)

    @property
    def encodings(self) -> list[str]:
        """Return the terms as pydicom wants them, in names of Python's codecs; it does not know Latin-9 itself."""
        if not self.known:
            return ["ascii"]
        first, *more = self.terms or ("",)
        with quiet():
            encodings = convert_encodings(["" if first in _LATIN_9 else first, *more])
        return ["iso8859-15", *encodings[1:]] if first in _LATIN_9 else encodings

    def with_letters(self) -> "CharacterSet":
        """Return a set that has the letters of Western European languages, for bytes that are ASCII in this one."""
        return CharacterSet(("ISO_IR 100",)) if self == CharacterSet() else self

    def decode(self, value: bytes, *, name: bool = False) -> str:
        """Return the text of ``value``; ``name`` for a Person Name, whose parts switch sets on their own.

        Of bytes that nobody declared a set for, what is valid UTF-8 is read as that; else ? stands for what is not
        ASCII, rather than a letter of another script.
        """
        if not self.known:
            return _guessed(value)
        with quiet():
            if name:
                return str(PersonName(value, self.encodings).decode())
            return decode_bytes(value, self.encodings, _DELIMITERS)

    def fit(self, text: str, limit: int) -> str:
        """Return our own ``text`` in at most ``limit`` characters, all of which this set can encode.

        With code extensions (ISO 2022) only ASCII is used, so that no escape sequence is ever needed.
        """
        flat = " ".join(text.replace("\\", "/").split())
        codec = _PYTHON_CODECS.get(self.terms[0], "ascii") if self.known and len(self.terms) == 1 else "ascii"
        try:
            flat.encode(codec)
        except UnicodeEncodeError:
            flat = fold(flat)
        return flat[:limit].strip()


def fold(text: str) -> str:
    """Return ``text`` in ASCII: letters lose their accents, what has no ASCII relative becomes ``?``."""
    spelt = text.translate(_SPELT)
    kept = "".join(c for c in unicodedata.normalize("NFKD", spelt) if not unicodedata.combining(c))
    return kept.replace("–", "-").replace("—", "-").encode("ascii", "replace").decode("ascii")


def understand(declared: bytes | None, values: Iterable[bytes], default: str = "") -> CharacterSet:
    """Return the set to declare for ``values``, the bytes of a source that declared ``declared``.

    What the Standard knows (PS3.3 C.12.1.1.2) is kept as it is, and a misspelt term is mended. Where nothing usable
    is declared and a byte is outside ASCII, the site's default is taken if the bytes are legal in it. Else the source's
    own terms, or none, are repeated: a set that nobody declared is never asserted.

    Parameters
    ----------
    declared
        The value of Specific Character Set; None where the source has none.
    values
        All texts that are repeated.
    default
        ``receive.default_charset``: a defined term; empty where the site names none.
    """
    stated = tuple(term.strip() for term in (declared or b"").decode("ascii", "replace").split("\\"))
    stated = tuple(term.rstrip("\0").strip() for term in stated)
    meant = stated if _standard(stated) else tuple(_mend(term) for term in stated)
    ascii_only = b"\n".join(listed := list(values)).isascii()
    if any(meant) and _standard(meant) and (ascii_only or meant[1:] or meant[0] not in _ASCII_ALONE):
        return CharacterSet(meant)
    if ascii_only:
        return CharacterSet()
    if default and _legal(listed, default):
        return CharacterSet((default,))
    printable = all(term.isascii() and term.isprintable() for term in stated)
    return CharacterSet(stated if any(stated) and printable else (), known=False)


def _legal(values: Iterable[bytes], term: str) -> bool:
    """Tell whether bytes have a meaning in a set."""
    codec = _PYTHON_CODECS.get(term, "shift_jis")
    try:
        for value in values:
            value.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _guessed(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("ascii", "replace").replace("\ufffd", "?")


def _standard(terms: tuple[str, ...]) -> bool:
    if len(terms) == 1:
        return terms[0] in _WITHOUT_EXTENSIONS or (terms[0] in _WITH_EXTENSIONS)
    return all(term in _WITH_EXTENSIONS for term in terms) and all(terms[1:])


def _mend(term: str) -> str:
    squeezed = "".join(c for c in term.upper() if c.isalnum())
    if squeezed in {"UTF8", "UNICODE", "UNICODEUTF8", "ISOIR192"}:
        return "ISO_IR 192"
    if squeezed in {"LATIN1", "ISO88591", "88591"}:
        return "ISO_IR 100"
    for known in (*_WITHOUT_EXTENSIONS, *_WITH_EXTENSIONS):
        if known and squeezed == "".join(c for c in known if c.isalnum()):
            return known
    return term

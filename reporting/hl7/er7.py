"""HL7 v2 encoding (chapter 2.7): values become text that holds no structure, and back."""

import re
from collections.abc import Mapping

FIELD, COMPONENT, REPETITION, ESCAPE, SUBCOMPONENT = "|", "^", "~", "\\", "&"
ENCODING_CHARACTERS = COMPONENT + REPETITION + ESCAPE + SUBCOMPONENT
SEGMENT_END = "\r"
LONGEST_STRING = 199
"""Characters an ST may have in version 2.5.1, escape sequences included."""
_SEQUENCES = {
    FIELD: r"\F\ "[:3],
    COMPONENT: r"\S\ "[:3],
    SUBCOMPONENT: r"\T\ "[:3],
    REPETITION: r"\R\ "[:3],
    ESCAPE: r"\E\ "[:3],
}
_LONGEST_SEQUENCE = len(r"\X0D\ ") - 1
"""Characters that one may become."""
_MEANINGS = {sequence[1]: character for character, sequence in _SEQUENCES.items()}
_LINE_BREAKS = re.compile("[\x80-\x9f\u2028\u2029]")


def escape(value: str, limit: int = LONGEST_STRING) -> str:
    r"""Return ``value`` so that no character of it can delimit anything.

    Delimiters become ``\F\`` and so on, control characters ``\Xhh\``; among them the bytes that frame a message
    (VT, FS, CR). C1 controls and Unicode line separators, which have no portable escape, become spaces. The result
    is cut to ``limit`` characters, never within an escape sequence.
    """
    kept: list[str] = []
    room = limit
    for character in _LINE_BREAKS.sub(" ", value):
        piece = _SEQUENCES.get(character)
        if piece is None:
            piece = f"\\X{ord(character):02X}\\" if ord(character) < 0x20 or character == "\x7f" else character
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept)


def wrapped(text: str, limit: int = LONGEST_STRING) -> list[str]:
    """Return ``text`` escaped and broken at spaces into pieces of at most ``limit`` characters, a TX each.

    Validators hold a TX to the length of an ST. A word longer than that is cut.
    """
    pieces: list[str] = []
    for word in escape(text, len(text) * _LONGEST_SEQUENCE).split(" "):
        if pieces and len(pieces[-1]) + 1 + len(word) <= limit:
            pieces[-1] += f" {word}"
        else:
            pieces.append(word if len(word) <= limit else escape(unescape(word), limit))
    return pieces


def unescape(text: str) -> str:
    """Return the value that :func:`escape` made ``text`` from; unknown sequences stay as they are."""

    def replace(match: re.Match[str]) -> str:
        sequence = match.group(1)
        if sequence in _MEANINGS:
            return _MEANINGS[sequence]
        if re.fullmatch(r"X([0-9A-Fa-f]{2})+", sequence):
            return bytes.fromhex(sequence[1:]).decode("latin-1")
        return match.group(0)

    return re.sub(r"\\([^\\]*)\\", replace, text)


def components(*values: str) -> str:
    """Join values into a field of components, each escaped; trailing empty ones are left out."""
    return COMPONENT.join(escape(value) for value in values).rstrip(COMPONENT)


def repeated(*fields: str) -> str:
    """Join encoded fields into repetitions; empty ones are left out."""
    return REPETITION.join(field for field in fields if field)


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Return one segment of already encoded fields, numbered as in the Standard.

    MSH-1 is the separator itself, so MSH's fields begin at 2.
    """
    first = 2 if name == "MSH" else 1
    last = max(fields, default=first)
    encoded = FIELD.join([name, *(fields.get(number, "") for number in range(first, last + 1))])
    if SEGMENT_END in encoded or "\n" in encoded:
        msg = f"segment {name} would break in two"
        raise ValueError(msg)
    return encoded.rstrip(FIELD)


def xpn(name: str) -> str:
    """Return a DICOM Person Name as HL7 XPN repetitions, one for each of its representations.

    DICOM orders family, given, middle, prefix, suffix (PS3.5 6.2.1); HL7 family, given, middle, suffix, prefix,
    degree, type (chapter 2.A.88). Component 8 says alphabetic, ideographic or phonetic where there are several.
    """
    groups = name.split("=")[:3]
    written = sum(1 for group in groups if group.strip("^ "))
    encoded = []
    for group, representation in zip(groups, "AIP", strict=False):
        if not group.strip("^ "):
            continue
        family, given, middle, prefix, suffix = ([part.strip() for part in group.split("^")] + [""] * 5)[:5]
        tail = (representation,) if written > 1 else ()
        encoded.append(components(family, given, middle, suffix, prefix, "", "L", *tail))
    return repeated(*encoded)

"""The fonts of captures, and text fitted to them: Latin, Greek and Cyrillic in Roboto, Chinese, Japanese and Korean.

Nothing that is installed beside us changes a capture, and no box stands for a letter: what the shipped fonts cannot
draw is folded to ASCII.
"""

import re
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from PIL import ImageFont

from inference.findings import Finding
from reporting.charset import fold
from reporting.words import finding_name

_EAST_ASIAN = "wqy-microhei.ttc"
"""One weight, for texts with a letter that Roboto lacks; it has Latin, Greek and Cyrillic letters of its own."""
_PROBE_SIZE = 24
_NO_CHARACTER = "\uffff"
"""A code point that is no character: fonts draw their box for it."""
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_CLOSING = "、。，．・：；？！）」』】〕ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
"""Never first on a line (JIS X 4051)."""
_WORD = re.compile(f" *(?:[{_IDEOGRAPHS}][{_CLOSING}]*|[^ {_IDEOGRAPHS}]+)")
"""What stays on one line: an ideograph or kana, else what stands between spaces, with the spaces before it."""


class CaptureFont(ImageFont.FreeTypeFont):
    """Roboto in one weight; a text with a letter that it lacks is drawn whole in the East Asian font."""

    def getlength(self, text: str | bytes, *args: Any, **kwargs: Any) -> float:
        """Return the length of a text in pixels."""
        other = self._other(text)
        return super().getlength(text, *args, **kwargs) if other is None else other.getlength(text, *args, **kwargs)

    def getbbox(self, text: str | bytes | bytearray, *args: Any, **kwargs: Any) -> tuple[float, float, float, float]:
        """Return the box around a text in pixels."""
        other = self._other(text)
        return super().getbbox(text, *args, **kwargs) if other is None else other.getbbox(text, *args, **kwargs)

    def getmask2(self, text: str | bytes, *args: Any, **kwargs: Any) -> Any:
        """Return a text as Pillow draws it, and where."""
        other = self._other(text)
        return super().getmask2(text, *args, **kwargs) if other is None else other.getmask2(text, *args, **kwargs)

    def _other(self, text: str | bytes | bytearray) -> ImageFont.FreeTypeFont | None:
        return _east_asian_font(self.size) if isinstance(text, str) and _is_east_asian(text) else None


@lru_cache(maxsize=64)
def font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a shipped font in a weight, ``Regular``, ``Medium`` or ``Bold``, and a size in pixels."""
    return _load(CaptureFont, f"Roboto-{weight}.ttf", size)


@lru_cache(maxsize=16)
def _east_asian_font(size: float) -> ImageFont.FreeTypeFont:
    return _load(ImageFont.FreeTypeFont, _EAST_ASIAN, size)


def _load(kind: type[ImageFont.FreeTypeFont], file: str, size: float) -> ImageFont.FreeTypeFont:
    """Open a font; with the basic layout engine, so that no other that is installed counts."""
    with resources.as_file(resources.files("reporting") / "fonts" / file) as path:
        return kind(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def drawable(text: str) -> str:
    """Return ``text`` with what the shipped fonts cannot draw folded to ASCII, so that no box stands for a letter.

    They draw Latin, Greek, Cyrillic, Chinese, Japanese and Korean. A letter of another script becomes a question mark.
    """
    has = _has_east_asian if _is_east_asian(text) else _has_roboto
    return "".join(character if has(character) else fold(character) for character in text)


def drawn_name(finding: Finding) -> str:
    """Return what a finding is called on a capture: by its label where the fonts cannot draw its name."""
    name = finding_name(finding)
    return name if drawable(name) == name else finding.label.replace("_", " ").capitalize()


def _is_east_asian(text: str) -> bool:
    """Say whether a text has a letter that only the East Asian font draws."""
    return not text.isascii() and any(not _has_roboto(each) and _has_east_asian(each) for each in text)


@lru_cache(maxsize=4096)
def _has_roboto(character: str) -> bool:
    """Say whether Roboto has a glyph for a character; all three weights have the same."""
    return _is_plain(character) or _draws(_probe("Roboto-Regular.ttf"), character)


@lru_cache(maxsize=4096)
def _has_east_asian(character: str) -> bool:
    return _is_plain(character) or _draws(_probe(_EAST_ASIAN), character)


@cache
def _probe(file: str) -> ImageFont.FreeTypeFont:
    return _load(ImageFont.FreeTypeFont, file, _PROBE_SIZE)


def _is_plain(character: str) -> bool:
    return character.isascii() or character == "\N{NO-BREAK SPACE}"


def _draws(face: ImageFont.FreeTypeFont, character: str) -> bool:
    return bytes(face.getmask(character)) != bytes(face.getmask(_NO_CHARACTER))


def shorten(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """Return ``text`` as it can be drawn, cut with an ellipsis if it is wider than ``width`` pixels."""
    text = drawable(text)
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float, later: float | None = None) -> list[str]:
    """Break ``text`` at spaces and ideographs into lines of at most ``width`` pixels; those after the first ``later``.

    A no-break space stays within its line, and what no font can draw is folded (:func:`drawable`).
    """
    lines: list[str] = []
    for word in _WORD.findall(re.sub(" +", " ", drawable(text))):
        if lines and face.getlength(lines[-1] + word) <= (width if len(lines) == 1 or later is None else later):
            lines[-1] += word
        else:
            lines.append(shorten(word.lstrip(" "), face, width if not lines or later is None else later))
    return lines

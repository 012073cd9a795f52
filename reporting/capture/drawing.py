"""What every part of a capture is drawn with: colours, fonts, outlines, and the mark of each finding."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from string import ascii_uppercase

from PIL import ImageDraw, ImageFont

from inference.findings import Finding
from reporting.capture.layout import Area
from reporting.charset import fold
from reporting.claims import Claim, ClaimedFinding, shown_regions
from reporting.words import finding_name

BLACK = (0, 0, 0)
PANEL = (15, 18, 22)
RULE = (44, 50, 58)
TRACK = (48, 55, 64)
WHITE = (240, 243, 246)
SOFT = (160, 169, 179)
FAINT = (128, 137, 148)
WARNING = (255, 196, 64)
GOOD = (94, 201, 158)
HUES = (
    (255, 176, 46), (88, 196, 246), (245, 134, 180), (165, 215, 110), (199, 166, 255), (255, 138, 101),
    (240, 232, 120), (72, 214, 200), (140, 164, 255), (222, 190, 150),
)  # fmt: skip

Colour = tuple[int, int, int]
_PROBE_SIZE = 24
_NO_CHARACTER = "\uffff"
"""A code point that is no character: fonts draw their box for it."""


@dataclass(frozen=True, slots=True)
class Caption:
    """The words on a capture that are not findings."""

    model: str
    """Name and version of the model."""
    completed: str
    """When the analysis was completed, with its offset from UTC."""
    details: tuple[str, ...]
    """Small print, what matters most first: a small capture has no room for the last of it."""
    position: str = ""
    """Such as ``Image 1 of 2``; empty for a study of one."""
    remarks: tuple[str, ...] = ()
    """What a reader must know about how the image was read, sentences without their full stops."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a finding is told from the others, on the picture and in the panel."""

    hue: Colour
    letter: str
    """Empty for a finding that marks no region."""


def marks_of(claims: list[ClaimedFinding[Finding]]) -> dict[int, Mark]:
    """Return the mark of each finding by its position: a letter and a hue of its own for each that marks regions.

    The others need no telling apart on the picture and are white; good news is green once it is claimed for good.
    """
    marks: dict[int, Mark] = {}
    used = 0
    for entry in claims:
        located = bool(shown_regions(entry))
        hue = HUES[used % len(HUES)] if located else WHITE
        if not entry.finding.abnormal:
            hue = {Claim.PRESENT: GOOD, Claim.UNDETERMINED: WHITE}.get(entry.claim, SOFT)
        marks[entry.position] = Mark(hue, ascii_uppercase[used % len(ascii_uppercase)] if located else "")
        used += located
    return marks


@lru_cache(maxsize=64)
def font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a shipped font; the basic layout engine, so that what is installed beside us changes nothing."""
    with resources.as_file(resources.files("reporting") / "fonts" / f"Roboto-{weight}.ttf") as path:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def drawable(text: str) -> str:
    """Return ``text`` with what the shipped fonts cannot draw folded to ASCII, so that no box stands for a letter.

    They draw Latin, Greek and Cyrillic. A letter of another script becomes a question mark.
    """
    return "".join(character if _has_glyph(character) else fold(character) for character in text)


def drawn_name(finding: Finding) -> str:
    """Return what a finding is called on a capture: by its label where the fonts cannot draw its name."""
    name = finding_name(finding)
    return name if drawable(name) == name else finding.label.replace("_", " ").capitalize()


@lru_cache(maxsize=4096)
def _has_glyph(character: str) -> bool:
    """Say whether the fonts have a glyph of their own; all three weights have the same."""
    if character.isascii() or character == "\N{NO-BREAK SPACE}":
        return True
    face = font("Regular", _PROBE_SIZE)
    return bytes(face.getmask(character)) != bytes(face.getmask(_NO_CHARACTER))


def stroke_of(text: int) -> int:
    """Return the width of an outline beside text of that height, in pixels."""
    return max(2, round(text / 9))


def shorten(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """Return ``text`` as it can be drawn, cut with an ellipsis if it is wider than ``width`` pixels."""
    text = drawable(text)
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float, later: float | None = None) -> list[str]:
    """Break ``text`` at spaces into lines no wider than ``width`` pixels; those after the first than ``later``.

    A no-break space stays within its line, and what no font can draw is folded (:func:`drawable`).
    """
    text = drawable(text)
    lines: list[str] = []
    for word in filter(None, text.split(" ")):
        if lines and face.getlength(f"{lines[-1]} {word}") <= (width if len(lines) == 1 or later is None else later):
            lines[-1] += f" {word}"
        else:
            lines.append(shorten(word, face, width if not lines or later is None else later))
    return lines


def draw_box(draw: ImageDraw.ImageDraw, area: Area, hue: Colour, stroke: int, *, dashed: bool) -> None:
    """Outline an area, with a dark edge on both sides so that it shows on bone and on air alike."""
    edge = max(1, stroke // 2)
    for grow, colour, width in ((edge, BLACK, stroke + 2 * edge), (0, hue, stroke)):
        left, top = area.left - grow, area.top - grow
        right, bottom = area.right - 1 + grow, area.bottom - 1 + grow
        if not dashed:
            draw.rectangle((left, top, right, bottom), outline=colour, width=width)
            continue
        for start, end in _dashes(area.left, area.right, stroke):
            draw.rectangle((start - grow, top, end - 1 + grow, top + width - 1), fill=colour)
            draw.rectangle((start - grow, bottom - width + 1, end - 1 + grow, bottom), fill=colour)
        for start, end in _dashes(area.top, area.bottom, stroke):
            draw.rectangle((left, start - grow, left + width - 1, end - 1 + grow), fill=colour)
            draw.rectangle((right - width + 1, start - grow, right, end - 1 + grow), fill=colour)


def _dashes(start: int, end: int, stroke: int) -> list[tuple[int, int]]:
    """Return the dashes of one side as (first pixel, pixel after the last): evenly spaced, one at each corner."""
    length = end - start
    dash = max(1, min(stroke * 6, length // 3))
    gaps = max(1, round((length - dash) / (dash + stroke * 4)))
    places = [start + round(number * (length - dash) / gaps) for number in range(gaps + 1)]
    return [(place, place + dash) for place in places]

"""What every part of a capture is drawn with: colours, outlines, and the mark of each finding."""

from dataclasses import dataclass
from string import ascii_uppercase

from PIL import ImageDraw

from inference.findings import Finding
from reporting.capture.layout import Area
from reporting.claims import Claim, ClaimedFinding, shown_regions

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


def stroke_of(text: int) -> int:
    """Return the width of an outline beside text of that height, in pixels."""
    return max(2, round(text / 9))


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

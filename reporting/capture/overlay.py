"""Drawing a capture: the radiograph, the boxes on it, and a panel that says what was found and by whom.

No patient data is drawn, here or anywhere. A box is solid at or above the specific operating point and dashed
between the two points; its letter is its finding's in the panel, its number its region's in the structured report,
so that no reader depends on colour.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from config.language.translation import gettext as _
from inference.findings import Box, Finding
from reporting.capture.drawing import (
    BLACK,
    PANEL,
    RULE,
    SOFT,
    WARNING,
    Caption,
    Colour,
    Mark,
    draw_box,
    marks_of,
    stroke_of,
)
from reporting.capture.findings_list import FindingsList
from reporting.capture.fonts import drawable, drawn_name, font, shorten
from reporting.capture.layout import SMALLEST_TEXT, Area, Layout, place_label
from reporting.capture.radiograph import Radiograph
from reporting.claims import Claim, ClaimedFinding, claims_of, region_claim, regions_of, shown_regions

MOST_NAMED = 6
"""With more regions than this on a picture only the likeliest of each finding is labelled with its name."""
_SMALLEST_BANNER = 7


def draw_capture(
    radiograph: Radiograph,
    findings: tuple[Finding, ...],
    caption: Caption,
    places: Mapping[str, str] = MappingProxyType({}),
) -> npt.NDArray[np.uint8]:
    """Return the capture as an RGB image (rows, columns, 3).

    Parameters
    ----------
    radiograph
        The image as captures show it.
    findings
        What was found on it; boxes are in stored pixels.
    caption
        What else is said.
    places
        Where the regions of findings lie, in words, by the findings' labels.
    """
    layout = radiograph.layout
    canvas = Image.new("RGB", (layout.width, layout.height), BLACK)
    canvas.paste(radiograph.shades.convert("RGB"), (layout.picture.left, layout.picture.top))
    claims = claims_of(findings)
    marks = marks_of(claims)
    _draw_boxes(canvas, layout, claims, marks)
    draw = ImageDraw.Draw(canvas)
    draw_header(draw, layout, caption)
    FindingsList(draw, layout, caption, places).draw(claims, marks)
    return np.asarray(canvas, dtype=np.uint8)


def _draw_boxes(
    canvas: Image.Image, layout: Layout, claims: list[ClaimedFinding[Finding]], marks: dict[int, Mark]
) -> None:
    """Draw every region that is claimed, the likeliest on top, then the labels, of which none hides another."""
    draw = ImageDraw.Draw(canvas)
    stroke = stroke_of(layout.text)
    shown = [(entry, box) for entry in claims for box in shown_regions(entry)]
    for entry, box in reversed(shown):
        dashed = region_claim(entry, box) is Claim.UNDETERMINED
        draw_box(draw, layout.place(box), marks[entry.position].hue, stroke, dashed=dashed)
    taken: list[Area] = []
    named: set[int] = set()
    for entry, box in shown:
        others = [layout.place(other) for _, other in shown if other is not box]
        name = "" if entry.position in named and len(shown) > MOST_NAMED else drawn_name(entry.finding)
        named.add(entry.position)
        label = Label(marks[entry.position], _region(entry, box), name)
        taken.append(_draw_label(canvas, layout, label, box, taken, others))


def _region(entry: ClaimedFinding[Finding], box: Box) -> str:
    """Return a region's number, as the structured report numbers it; empty where there is but one."""
    boxes = regions_of(entry)
    return str(next(number for number, other in enumerate(boxes, 1) if other is box)) if len(boxes) > 1 else ""


@dataclass(frozen=True, slots=True)
class Label:
    """What stands at a region."""

    mark: Mark
    region: str
    name: str


def _draw_label(
    canvas: Image.Image, layout: Layout, label: Label, box: Box, taken: list[Area], others: list[Area]
) -> Area:
    face = font("Medium", round(layout.text * 0.95))
    name = shorten(label.name, face, layout.picture.width * 0.4)
    key = f"{label.mark.letter}{label.region}"
    pad = round(layout.text * 0.4)
    height = round(layout.text * 1.5)
    badge = max(height, round(face.getlength(key)) + 2 * pad)
    width = badge + (round(face.getlength(name)) + 2 * pad if name else 0)
    margin = max(2, round(layout.text / 6))
    outline = layout.place(box)
    around = Area(outline.left - margin, outline.top - margin, outline.right + margin, outline.bottom + margin)
    area, touches = place_label(width, height, around, layout.picture, taken, others)
    patch = canvas.crop((area.left, area.top, area.right, area.bottom))
    canvas.paste(Image.blend(patch, Image.new("RGB", patch.size, BLACK), 0.72), (area.left, area.top))
    draw = ImageDraw.Draw(canvas)
    hue, middle = label.mark.hue, (area.top + area.bottom) / 2
    if not touches:
        _join(draw, area, outline, hue, stroke_of(layout.text))
    draw.rectangle((area.left, area.top, area.left + badge - 1, area.bottom - 1), fill=hue)
    draw.text((area.left + badge / 2, middle), key, font=face, fill=BLACK, anchor="mm")
    draw.text((area.left + badge + pad, middle), name, font=face, fill=hue, anchor="lm")
    return area


def _join(draw: ImageDraw.ImageDraw, label: Area, box: Area, hue: Colour, stroke: int) -> None:
    """Draw a line from a label that had to stand apart to the nearest point of its box's outline."""
    centre = ((box.left + box.right) // 2, (box.top + box.bottom) // 2)
    start = (
        min(max(centre[0], label.left), label.right - 1),
        min(max(centre[1], label.top), label.bottom - 1),
    )
    x, y = min(max(start[0], box.left), box.right - 1), min(max(start[1], box.top), box.bottom - 1)
    ends = ((box.left, y), (box.right - 1, y), (x, box.top), (x, box.bottom - 1))
    end = min(ends, key=lambda point: hypot(point[0] - start[0], point[1] - start[1]))
    draw.line((*start, *end), fill=BLACK, width=stroke + 2)
    draw.line((*start, *end), fill=hue, width=max(1, stroke // 2))


def draw_header(draw: ImageDraw.ImageDraw, layout: Layout, caption: Caption) -> None:
    """Draw the banner: an AI result, not verified by a radiologist, research use only."""
    header = layout.header
    draw.rectangle((header.left, header.top, header.right - 1, header.bottom - 1), fill=PANEL)
    draw.rectangle((header.left, header.bottom - 1, header.right - 1, header.bottom - 1), fill=RULE)
    middle = (header.top + header.bottom) / 2
    badge_text, statement = _("AI RESULT"), _("NOT VERIFIED BY A RADIOLOGIST")
    size = max(SMALLEST_TEXT, min(round(layout.text * 1.08), round(header.height * 0.55)))
    while size > _SMALLEST_BANNER and font("Bold", size).getlength(badge_text + statement) + 3 * size > header.width:
        size -= 1
    bold, regular = font("Bold", size), font("Regular", size)
    badge = round(bold.getlength(badge_text)) + size
    spare = header.width - badge - bold.getlength(statement) - 0.8 * size
    x = max(0.0, min(float(layout.text), spare / 2))
    draw.rectangle((x, middle - size * 0.82, x + badge, middle + size * 0.82), fill=WARNING)
    draw.text((x + badge / 2, middle), badge_text, font=bold, fill=BLACK, anchor="mm")
    x += badge + size * 0.8
    draw.text((x, middle), statement, font=bold, fill=WARNING, anchor="lm")
    right = header.right - layout.text
    room = right - x - bold.getlength(statement) - 2 * size
    purpose = _("Research use only")
    for words in (drawable(f"{caption.model}  ·  {purpose}"), purpose):
        if regular.getlength(words) <= room:
            draw.text((right, middle), words, font=regular, fill=SOFT, anchor="rm")
            return

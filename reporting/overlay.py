"""Drawing a capture: the radiograph, the boxes on it, and a panel that says what was found and by whom.

No patient data is drawn, here or anywhere. Colours are few; a box is solid at or above the specific operating
point and dashed between the two points.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from inference.findings import Box, Finding, Level
from reporting.account import LEVEL_WORDS, percent, ranked
from reporting.layout import Area, Layout, place_label

BLACK = (0, 0, 0)
PANEL = (15, 18, 22)
RULE = (44, 50, 58)
TRACK = (48, 55, 64)
WHITE = (240, 243, 246)
SOFT = (160, 169, 179)
FAINT = (118, 127, 138)
WARNING = (255, 196, 64)
GOOD = (94, 201, 158)
QUIET = (110, 120, 132)
HUES = ((255, 176, 46), (88, 196, 246), (245, 134, 180), (165, 215, 110), (199, 166, 255), (255, 138, 101))

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Caption:
    """The words on a capture that are not findings."""

    model: str
    """Name and version of the model."""
    completed: str
    """When the analysis was completed, with its offset from UTC."""
    details: tuple[str, ...]
    """Small print: digest, engine, revision, images not analysed."""
    position: str = ""
    """Such as ``Image 1 of 2``; empty for a study of one."""


@lru_cache(maxsize=64)
def font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a shipped font; the basic layout engine, so that what is installed beside us changes nothing."""
    with resources.as_file(resources.files("reporting") / "fonts" / f"Roboto-{weight}.ttf") as path:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def draw_capture(
    gray: npt.NDArray[np.float32],
    pixel_aspect: float,
    findings: tuple[Finding, ...],
    caption: Caption,
    longest_side: int,
) -> npt.NDArray[np.uint8]:
    """Return the capture as an RGB picture (rows, columns, 3).

    Parameters
    ----------
    gray
        The radiograph as a radiologist sees it, 0 (black) to 1 (white), rows by columns as stored.
    pixel_aspect
        Height of a stored pixel over its width.
    findings
        What was found on it; boxes are in stored pixels.
    caption
        What else is said.
    longest_side
        No side of the result is longer than this many pixels.
    """
    rows, columns = gray.shape
    layout = Layout.of(rows, columns, pixel_aspect, longest_side)
    canvas = Image.new("RGB", (layout.width, layout.height), BLACK)
    picture = Image.fromarray(np.ascontiguousarray(gray, dtype=np.float32)).resize(
        (layout.picture.width, layout.picture.height), Image.Resampling.LANCZOS
    )
    shades = np.clip(np.rint(np.asarray(picture) * 255), 0, 255).astype(np.uint8)
    canvas.paste(Image.fromarray(shades).convert("RGB"), (layout.picture.left, layout.picture.top))
    order = ranked(findings)
    hues = colours(order)
    _draw_boxes(canvas, layout, order, hues)
    draw = ImageDraw.Draw(canvas)
    _draw_header(draw, layout, caption)
    Panel(draw, layout, caption).draw(order, hues)
    return np.asarray(canvas, dtype=np.uint8)


def colours(findings: list[Finding]) -> dict[str, Colour]:
    """Give each abnormal finding its own hue, in order; normal ones are green."""
    hues: dict[str, Colour] = {}
    for finding in findings:
        if finding.label not in hues:
            used = sum(1 for hue in hues.values() if hue != GOOD)
            hues[finding.label] = HUES[used % len(HUES)] if finding.abnormal else GOOD
    return hues


def shorten(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """Return ``text``, cut with an ellipsis if it is wider than ``width`` pixels."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Break ``text`` at spaces into lines no wider than ``width`` pixels."""
    lines: list[str] = []
    for word in text.split():
        if lines and face.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(shorten(word, face, width))
    return lines


def _draw_boxes(canvas: Image.Image, layout: Layout, findings: list[Finding], hues: dict[str, Colour]) -> None:
    draw = ImageDraw.Draw(canvas)
    stroke = max(2, round(layout.text / 9))
    shown = [
        (finding, box)
        for finding in findings
        for box in sorted(finding.boxes, key=lambda b: -b.score)
        if box.level is not Level.ABSENT
    ]
    for finding, box in reversed(shown):
        _draw_box(draw, layout.place(box), hues[finding.label], stroke, dashed=box.level is Level.POSSIBLE)
    taken: list[Area] = []
    face = font("Medium", round(layout.text * 0.95))
    for finding, box in shown:
        taken.append(_draw_label(canvas, layout, finding, box, hues[finding.label], face, taken))


def _draw_box(draw: ImageDraw.ImageDraw, area: Area, hue: Colour, stroke: int, *, dashed: bool) -> None:
    """Outline an area, with a dark edge on both sides so that it shows on bone and on air alike."""
    edge = max(1, stroke // 2)
    for grow, colour, width in ((edge, BLACK, stroke + 2 * edge), (0, hue, stroke)):
        left, top = area.left - grow, area.top - grow
        right, bottom = area.right - 1 + grow, area.bottom - 1 + grow
        if not dashed:
            draw.rectangle((left, top, right, bottom), outline=colour, width=width)
            continue
        dash, gap = stroke * 6, stroke * 4
        for start in range(area.left, area.right, dash + gap):
            end = min(start + dash, area.right)
            draw.rectangle((start - grow, top, end + grow, top + width - 1), fill=colour)
            draw.rectangle((start - grow, bottom - width + 1, end + grow, bottom), fill=colour)
        for start in range(area.top, area.bottom, dash + gap):
            end = min(start + dash, area.bottom)
            draw.rectangle((left, start - grow, left + width - 1, end + grow), fill=colour)
            draw.rectangle((right - width + 1, start - grow, right, end + grow), fill=colour)


def _draw_label(
    canvas: Image.Image,
    layout: Layout,
    finding: Finding,
    box: Box,
    hue: Colour,
    face: ImageFont.FreeTypeFont,
    taken: list[Area],
) -> Area:
    text = f"{shorten(finding.code.meaning, face, layout.picture.width * 0.4)}  {percent(box.score)} %"
    pad = round(layout.text * 0.4)
    width = round(face.getlength(text)) + 2 * pad
    height = round(layout.text * 1.5)
    margin = max(2, round(layout.text / 6))
    outline = layout.place(box)
    around = Area(outline.left - margin, outline.top - margin, outline.right + margin, outline.bottom + margin)
    area = place_label(width, height, around, layout.picture, taken)
    patch = canvas.crop((area.left, area.top, area.right, area.bottom))
    shade = Image.new("RGB", patch.size, BLACK)
    canvas.paste(Image.blend(patch, shade, 0.72), (area.left, area.top))
    draw = ImageDraw.Draw(canvas)
    draw.text((area.left + pad, (area.top + area.bottom) / 2), text, font=face, fill=hue, anchor="lm")
    return area


def _draw_header(draw: ImageDraw.ImageDraw, layout: Layout, caption: Caption) -> None:
    header = layout.header
    draw.rectangle((header.left, header.top, header.right - 1, header.bottom - 1), fill=PANEL)
    draw.rectangle((header.left, header.bottom - 1, header.right - 1, header.bottom - 1), fill=RULE)
    middle = (header.top + header.bottom) / 2
    size = min(round(layout.text * 1.08), round(header.height * 0.52))
    bold, regular = font("Bold", size), font("Regular", size)
    x = float(layout.text)
    badge = round(bold.getlength("AI RESULT")) + layout.text
    draw.rectangle((x, middle - size * 0.82, x + badge, middle + size * 0.82), fill=WARNING)
    draw.text((x + badge / 2, middle), "AI RESULT", font=bold, fill=BLACK, anchor="mm")
    x += badge + layout.text
    statement = "NOT VERIFIED BY A RADIOLOGIST"
    draw.text((x, middle), statement, font=bold, fill=WARNING, anchor="lm")
    x += bold.getlength(statement) + layout.text
    room = header.right - layout.text - x
    right = shorten(f"{caption.model}  ·  Research use only", regular, room)
    draw.text((header.right - layout.text, middle), right, font=regular, fill=SOFT, anchor="rm")


class Panel:
    """The list of findings with their scores, the legend and the small print, drawn from top to bottom."""

    def __init__(self, draw: ImageDraw.ImageDraw, layout: Layout, caption: Caption) -> None:
        self._draw = draw
        self._layout = layout
        self._caption = caption
        text = layout.text
        self._pad = round(text * 1.2)
        self._small = font("Regular", max(9, round(text * 0.78)))
        self._body = font("Regular", text)
        self._strong = font("Medium", text)

    def draw(self, findings: list[Finding], hues: dict[str, Colour]) -> None:
        """Fill the panel."""
        area = self._layout.panel
        self._draw.rectangle((area.left, area.top, area.right - 1, area.bottom - 1), fill=PANEL)
        left = Area(area.left + self._pad, area.top + self._pad, area.right - self._pad, area.bottom - self._pad)
        if self._layout.beside:
            print_top = self._small_print(left)
            y = self._headline(left, findings)
            self._list(Area(left.left, y, left.right, print_top - self._pad), findings, hues)
            return
        split = left.left + round(left.width * 0.62)
        list_area = Area(left.left, left.top, split - self._pad, left.bottom)
        y = self._headline(list_area, findings)
        self._list(Area(list_area.left, y, list_area.right, list_area.bottom), findings, hues)
        self._small_print(Area(split + self._pad, left.top, left.right, left.bottom))

    def _headline(self, area: Area, findings: list[Finding]) -> int:
        words, colour = verdict(findings)
        text = self._layout.text
        face = font("Bold", round(text * 1.4))
        y = area.top
        if self._caption.position:
            self._draw.text((area.left, y), self._caption.position, font=self._small, fill=SOFT)
            y += round(text * 1.35)
        for line in wrap(words, face, area.width):
            self._draw.text((area.left, y), line, font=face, fill=colour)
            y += round(text * 1.75)
        return y + round(text * 0.9)

    def _list(self, area: Area, findings: list[Finding], hues: dict[str, Colour]) -> None:
        text = self._layout.text
        step = round(text * 4.1)
        fits = max(1, area.height // step)
        shown = findings if len(findings) <= fits else findings[: max(1, (area.height - 2 * text) // step)]
        y = area.top
        for finding in shown:
            self._row(Area(area.left, y, area.right, y + step), finding, hues[finding.label])
            y += step
        if len(shown) < len(findings):
            more = f"and {len(findings) - len(shown)} more in the structured report"
            self._draw.text((area.left, y), shorten(more, self._body, area.width), font=self._body, fill=SOFT)

    def _row(self, area: Area, finding: Finding, hue: Colour) -> None:
        """Draw name, level and score over a bar on which both operating points are marked."""
        text = self._layout.text
        quiet = finding.level is Level.ABSENT
        ink = SOFT if quiet else WHITE
        score = f"{percent(finding.score)} %"
        word = LEVEL_WORDS[finding.level]
        strong = font("Bold", text)
        score_width = strong.getlength("100 %")
        word_width = self._small.getlength(word) + text * 0.6
        room = area.width - strong.getlength(score) - text * 0.5
        base = area.top + text
        top, thick = base + round(text * 0.55), max(4, round(text * 0.42))
        below = area.width * (1 - finding.points.specific) > word_width + text
        if self._strong.getlength(finding.code.meaning) > area.width - score_width - word_width - text * 0.6 and below:
            place, anchor = (area.right, top + round(thick * 1.5) + round(text * 0.15)), "ra"
        else:
            room = area.width - score_width - word_width - text * 0.6
            place, anchor = (area.right - round(score_width + text * 0.6), base), "rs"
        self._draw.text(place, word, font=self._small, fill=SOFT, anchor=anchor)
        name = shorten(finding.code.meaning, self._strong, room)
        self._draw.text((area.left, base), name, font=self._strong, fill=ink, anchor="ls")
        self._draw.text((area.right, base), score, font=strong, fill=ink if quiet else hue, anchor="rs")
        self._bar(Area(area.left, top, area.right, top + thick), finding, QUIET if quiet else hue)

    def _bar(self, area: Area, finding: Finding, hue: Colour) -> None:
        self._draw.rectangle((area.left, area.top, area.right - 1, area.bottom - 1), fill=TRACK)
        filled = round(area.width * min(max(finding.score, 0.0), 1.0))
        if filled:
            self._draw.rectangle((area.left, area.top, area.left + filled - 1, area.bottom - 1), fill=hue)
        reach = max(2, area.height // 2)
        tick = max(2, round(self._layout.text / 10))
        points = (finding.points.sensitive, finding.points.specific)
        labels = [percent(point) for point in points]
        places = [area.left + round(area.width * point) for point in points]
        for place in places:
            self._draw.rectangle(
                (place - tick - 1, area.top - reach, place + tick, area.bottom + reach - 1), fill=PANEL
            )
            self._draw.rectangle(
                (place - tick // 2, area.top - reach, place + (tick - 1) // 2, area.bottom + reach - 1), fill=WHITE
            )
        y = area.bottom + reach + round(self._layout.text * 0.15)
        gap = self._small.getlength(labels[0]) / 2 + self._small.getlength(labels[1]) / 2 + self._layout.text / 3
        if places[1] - places[0] < gap:
            self._draw.text(
                ((places[0] + places[1]) / 2, y), " | ".join(labels), font=self._small, fill=FAINT, anchor="ma"
            )
            return
        for place, label in zip(places, labels, strict=True):
            self._draw.text((place, y), label, font=self._small, fill=FAINT, anchor="ma")

    def _small_print(self, area: Area) -> int:
        """Draw legend and small print at the bottom of ``area``; return where they begin."""
        step = round(self._layout.text * 1.18)
        lines: list[str] = []
        for entry in (f"Analysed {self._caption.completed}", *self._caption.details):
            lines += wrap(entry, self._small, area.width)
        legend = round(self._layout.text * 5.7)
        top = max(area.top, area.bottom - legend - step * len(lines))
        self._legend(Area(area.left, top, area.right, top + legend))
        y = top + legend
        for line in lines:
            self._draw.text((area.left, y), line, font=self._small, fill=FAINT)
            y += step
        return top

    def _legend(self, area: Area) -> None:
        text = self._layout.text
        self._draw.rectangle((area.left, area.top, area.right - 1, area.top), fill=RULE)
        swatch = round(text * 1.6)
        stroke = max(2, round(text / 9))
        y = area.top + round(text * 0.9)
        for dashed, words in ((False, "at or above the specific point"), (True, "between the two points")):
            box = Area(area.left, y, area.left + swatch, y + text)
            _draw_box(self._draw, box, WHITE, stroke, dashed=dashed)
            self._draw.text(
                (area.left + swatch + text * 0.7, y + text / 2),
                shorten(words, self._small, area.width - swatch - text),
                font=self._small,
                fill=SOFT,
                anchor="lm",
            )
            y += round(text * 1.55)
        words = "Marks on a bar: sensitive | specific point"
        self._draw.text((area.left, y), shorten(words, self._small, area.width), font=self._small, fill=SOFT)


def verdict(findings: list[Finding]) -> tuple[str, Colour]:
    """Return the headline: how many abnormal findings are present or possible, and its colour."""
    abnormal = [finding for finding in findings if finding.abnormal]
    present = sum(finding.level is Level.PRESENT for finding in abnormal)
    possible = sum(finding.level is Level.POSSIBLE for finding in abnormal)
    parts = []
    if present:
        parts.append(f"{present} finding{'s' if present > 1 else ''} present")
    if possible:
        parts.append(f"{possible} possible")
    if parts:
        words = ", ".join(parts)
        return (words if present else f"{words} finding{'s' if possible > 1 else ''}"), WARNING
    return "No finding above threshold", WHITE

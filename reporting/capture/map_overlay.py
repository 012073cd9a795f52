"""Drawing a score map in the look of a capture: the radiograph, the map over it, and a panel that says what it is.

The canvas is laid out as the capture's of the same image, so that a viewer can switch between the two in place. No
patient data is drawn. A ring marks the greatest cell, which is what the measured figure speaks of.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from config.language.translation import gettext as _
from config.language.translation import marked
from inference.explanation.rendering import render_map
from inference.findings import Finding, MapKind, ScoreMap
from reporting.capture.drawing import BLACK, PANEL, RULE, SOFT, WARNING, WHITE, Caption, Colour, stroke_of
from reporting.capture.fonts import drawn_name, font, shorten, wrap
from reporting.capture.layout import Area, Layout
from reporting.capture.overlay import draw_header
from reporting.capture.radiograph import Radiograph
from reporting.claims import ClaimedFinding
from reporting.words import capitalised, claim_words, map_words, score_words

NO_OUTLINE = marked("It is no outline and no measurement. Without colour a place is not shown to be normal")
RELATIVE = marked("Strength is relative to the strongest place of this image")
_SWATCH_STEPS = 32


def draw_map(radiograph: Radiograph, entry: ClaimedFinding[Finding], caption: Caption) -> npt.NDArray[np.uint8]:
    """Return the radiograph with one finding's score map over it, RGB (rows, columns, 3).

    Parameters
    ----------
    radiograph
        The image as captures show it.
    entry
        The finding with its claim. Raises ValueError where it has no map.
    caption
        What else is said.
    """
    score_map = entry.finding.map
    if score_map is None:
        msg = f"the finding {entry.finding.label} has no score map"
        raise ValueError(msg)
    layout = radiograph.layout
    canvas = Image.new("RGB", (layout.width, layout.height), BLACK)
    gray = np.asarray(radiograph.shades, np.float32) / 255
    canvas.paste(Image.fromarray(render_map(gray, score_map)), (layout.picture.left, layout.picture.top))
    draw = ImageDraw.Draw(canvas)
    x, y = score_map.peak
    place = layout.picture.left + x * layout.picture.width, layout.picture.top + y * layout.picture.height
    _draw_ring(draw, place, layout.text)
    draw_header(draw, layout, caption)
    _MapPanel(canvas, layout, caption).draw(entry, score_map)
    return np.asarray(canvas, dtype=np.uint8)


def _draw_ring(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: int) -> None:
    """Draw a white ring with a dark edge on both sides around a place, as wide as two heights of text."""
    stroke = stroke_of(text)
    edge = max(1, stroke // 2)
    for grow, colour, width in ((edge, BLACK, stroke + 2 * edge), (0, WHITE, stroke)):
        radius = text + grow
        box = (place[0] - radius, place[1] - radius, place[0] + radius, place[1] + radius)
        draw.ellipse(box, outline=colour, width=width)


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """Words of one face, and how much room a line of them and the paragraph before it need, in pixels."""

    words: str
    face: ImageFont.FreeTypeFont
    colour: Colour
    line: int
    before: int = 0


class _MapPanel:
    """The panel beside or beneath a mapped radiograph: what the map is, its legend, the small print."""

    def __init__(self, canvas: Image.Image, layout: Layout, caption: Caption) -> None:
        self._canvas = canvas
        self._draw = ImageDraw.Draw(canvas)
        self._caption = caption
        self._panel = layout.panel
        self._text = layout.text
        self._small = font("Regular", max(10, round(layout.text * 0.78)))
        self._line = round(max(layout.text * 0.98, 12))
        pad = round(layout.text * 1.2)
        area = layout.panel
        self._inner = Area(area.left + pad, area.top + pad, area.right - pad, area.bottom - pad)

    def draw(self, entry: ClaimedFinding[Finding], score_map: ScoreMap) -> None:
        """Fill the panel; where room is short the small print loses its last lines."""
        area = self._panel
        self._draw.rectangle((area.left, area.top, area.right - 1, area.bottom - 1), fill=PANEL)
        y = self._inner.top
        for paragraph in self._heading(entry):
            y = self._write(paragraph, y)
        y = self._legend(y + round(self._text * 0.7))
        for words in (*map_words(score_map), _(RELATIVE), _(NO_OUTLINE)):
            y = self._write(_Paragraph(f"{words}.", self._small, SOFT, self._line, round(self._text * 0.45)), y)
        self._small_print(y + round(self._text * 0.6))

    def _heading(self, entry: ClaimedFinding[Finding]) -> Iterator[_Paragraph]:
        text, finding = self._text, entry.finding
        if self._caption.position:
            yield _Paragraph(self._caption.position, self._small, SOFT, round(text * 1.35))
        title = _("Score map: %(finding)s") % {"finding": drawn_name(finding)}
        yield _Paragraph(title, font("Bold", round(text * 1.4)), WHITE, round(text * 1.75))
        claim = f"{claim_words(entry.claim, abnormal=finding.abnormal)} ({score_words(finding)})"
        yield _Paragraph(capitalised(claim), font("Medium", text), WARNING, round(text * 1.4), round(text * 0.2))
        for remark in self._caption.remarks:
            yield _Paragraph(f"{remark}.", self._small, WARNING, self._line)

    def _write(self, paragraph: _Paragraph, y: int) -> int:
        """Draw a paragraph and return where the next begins."""
        y += paragraph.before
        for line in wrap(paragraph.words, paragraph.face, self._inner.width):
            self._draw.text((self._inner.left, y), line, font=paragraph.face, fill=paragraph.colour)
            y += paragraph.line
        return y

    def _legend(self, y: int) -> int:
        """Draw the scale of the colour over a middle grey, and the ring; return where the next begins."""
        text, left = self._text, self._inner.left
        width, height = min(self._inner.width, 18 * text), round(text * 0.9)
        steps = ScoreMap(MapKind.HEAT, 1, _SWATCH_STEPS, tuple(range(0, 8 * _SWATCH_STEPS, 8)))
        scale = render_map(np.full((height, width), 0.45, np.float32), steps)
        self._canvas.paste(Image.fromarray(scale), (left, y))
        y += height + round(text * 0.25)
        self._draw.text((left, y), _("weak"), font=self._small, fill=SOFT)
        self._draw.text((left + width, y), _("strongest"), font=self._small, fill=SOFT, anchor="ra")
        y += round(text * 1.9)
        middle = y + text
        _draw_ring(self._draw, (left + text * 1.3, middle), text)
        room = self._inner.width - text * 3.2
        words = shorten(_("The strongest place"), self._small, room)
        self._draw.text((left + text * 3.2, middle), words, font=self._small, fill=SOFT, anchor="lm")
        return y + round(text * 2.4)

    def _small_print(self, top: int) -> None:
        """Write the small print from the bottom of the panel up, as many of its lines as there is room for."""
        lines: list[str] = []
        for words in (_("Analysed %(time)s") % {"time": self._caption.completed}, *self._caption.details):
            lines += wrap(words, self._small, self._inner.width)
        lines = lines[: max(0, (self._inner.bottom - top) // self._line)]
        y = self._inner.bottom - self._line * len(lines)
        if lines:
            rule = y - round(self._text * 0.5)
            self._draw.rectangle((self._inner.left, rule, self._inner.right - 1, rule), fill=RULE)
        for line in lines:
            self._draw.text((self._inner.left, y), line, font=self._small, fill=SOFT)
            y += self._line

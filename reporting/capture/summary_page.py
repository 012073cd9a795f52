"""Drawing a summary page: every image of a study with its regions, the study's headline, and what was found where.

No patient data is drawn. A finding has one letter and one hue on all images; a box is solid where its region is
present and dashed where it is undetermined, as on the capture of its image.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from config.language.translation import gettext as _
from config.language.translation import ngettext
from inference.findings import Finding
from reporting.account import AnalysedImage
from reporting.capture.drawing import (
    BLACK,
    FAINT,
    PANEL,
    RULE,
    SOFT,
    WARNING,
    WHITE,
    Caption,
    Colour,
    Mark,
    draw_box,
    marks_of,
    stroke_of,
)
from reporting.capture.fonts import drawn_name, font, shorten, wrap
from reporting.capture.layout import SMALLEST_TEXT, Area, Layout
from reporting.capture.overlay import draw_header
from reporting.capture.radiograph import Radiograph
from reporting.claims import Claim, ClaimedFinding, claims_of, region_claim, shown_regions, study_claims
from reporting.words import SCORED_ONLY, capitalised, claim_words, gist, score_words
from reporting.zones import finding_place, study_place

MOST_SHOWN = 12
"""Images that are drawn; of more the findings are listed all the same."""
_TEXTS_ACROSS = 60
"""Width of a page over the height of its text: larger than a capture's, to be read at a quarter of its size."""
_HEIGHT = 0.75
_PANEL = 0.4
"""Shares of the page's width."""
_HEADER_TEXTS = 2.6
_MOST_PRINT = 4

Thumbnail = Callable[[AnalysedImage], Radiograph]


def draw_summary(
    images: Sequence[AnalysedImage], radiograph_of: Thumbnail, caption: Caption, width: int
) -> npt.NDArray[np.uint8]:
    """Return the page as an RGB image (rows, columns, 3).

    Parameters
    ----------
    images
        The analysed images of the study, two or more.
    radiograph_of
        Returns an image as its captures show it; it is called once for each that is drawn, and forgotten.
    caption
        What else is said.
    width
        Of the page in pixels.
    """
    layout = _layout(width)
    canvas = Image.new("RGB", (layout.width, layout.height), BLACK)
    claims = study_claims(finding for image in images for finding in image.findings)
    marks = _marks(claims, images)
    drawn = images[:MOST_SHOWN]
    for number, (image, cell) in enumerate(zip(drawn, _cells(drawn, layout), strict=True), 1):
        _draw_image(canvas, layout, _Cell(number, image, cell), radiograph_of(image), marks)
    draw = ImageDraw.Draw(canvas)
    draw_header(draw, layout, caption)
    _SummaryPanel(draw, layout, caption).draw(claims, marks, images)
    return np.asarray(canvas, dtype=np.uint8)


def _layout(width: int) -> Layout:
    text = max(SMALLEST_TEXT, round(width / _TEXTS_ACROSS))
    height, header = round(width * _HEIGHT), round(text * _HEADER_TEXTS)
    left = width - round(width * _PANEL)
    return Layout(
        width=width,
        height=height,
        header=Area(0, 0, width, header),
        picture=Area(0, header, left, height),
        panel=Area(left, header, width, height),
        text=text,
        rows=height - header,
        columns=left,
    )


def _marks(claims: list[ClaimedFinding[Finding]], images: Sequence[AnalysedImage]) -> dict[str, Mark]:
    """Return the mark of each finding by its label; one that marks regions on any image has a letter."""
    boxes = {
        entry.finding.label: tuple(shown_regions(entry))
        for image in images
        for entry in claims_of(image.findings)
        if shown_regions(entry)
    }
    with_boxes = [
        replace(entry, finding=replace(entry.finding, boxes=boxes.get(entry.finding.label, ()))) for entry in claims
    ]
    marks = marks_of(with_boxes)
    return {entry.finding.label: marks[entry.position] for entry in claims}


def _cells(images: Sequence[AnalysedImage], layout: Layout) -> list[Area]:
    """Return where the images go: in the number of columns in which they are largest."""
    count, area = len(images), layout.picture
    aspect = sum(image.source.columns / max(image.source.rows, 1) for image in images) / count

    def height_of(columns: int) -> float:
        return min(area.width / columns / max(aspect, 0.1), area.height / -(-count // columns))

    across = max(range(1, count + 1), key=height_of)
    down = -(-count // across)
    width, height = area.width // across, area.height // down
    return [
        Area(left, top, left + width, top + height)
        for number in range(count)
        for left, top in [(area.left + number % across * width, area.top + number // across * height)]
    ]


@dataclass(frozen=True, slots=True)
class _Cell:
    """An image's place on the page."""

    number: int
    image: AnalysedImage
    area: Area


def _draw_image(
    canvas: Image.Image, layout: Layout, cell: _Cell, radiograph: Radiograph, marks: Mapping[str, Mark]
) -> None:
    """Draw an image, its regions with their letters, and above it its number and what is stated of it."""
    text, area = layout.text, cell.area
    gap, line = round(text * 0.5), round(text * 1.6)
    room = Area(area.left + gap, area.top + line, area.right - gap, area.bottom - gap)
    scale = min(room.width / radiograph.shades.width, room.height / radiograph.shades.height)
    size = max(1, round(radiograph.shades.width * scale)), max(1, round(radiograph.shades.height * scale))
    left = room.left + (room.width - size[0]) // 2
    place = Area(left, room.top, left + size[0], room.top + size[1])
    canvas.paste(radiograph.shades.resize(size, Image.Resampling.LANCZOS).convert("RGB"), (place.left, place.top))
    draw = ImageDraw.Draw(canvas)
    claims = claims_of(cell.image.findings)
    words = capitalised(gist(claims, [drawn_name(entry.finding) for entry in claims]))
    title = _("Image %(number)s: %(words)s") % {"number": cell.number, "words": words}
    face = font("Medium", round(text * 0.9))
    colour = WARNING if any(entry.found for entry in claims) else SOFT
    draw.text((room.left, area.top + line / 2), shorten(title, face, room.width), font=face, fill=colour, anchor="lm")
    small = replace(radiograph.layout, picture=place)
    shown = [(entry, box) for entry in claims for box in shown_regions(entry)]
    for entry, box in reversed(shown):
        mark, outline = marks[entry.finding.label], small.place(box)
        dashed = region_claim(entry, box) is Claim.UNDETERMINED
        draw_box(draw, outline, mark.hue, stroke_of(text), dashed=dashed)
    for entry, box in reversed(shown):
        _draw_letter(draw, small.place(box), place, marks[entry.finding.label], round(text * 0.8))


def _draw_letter(draw: ImageDraw.ImageDraw, outline: Area, image: Area, mark: Mark, text: int) -> None:
    """Draw a finding's letter above its region, or in it where there is no room above, on the image."""
    side = round(text * 1.3)
    left = min(max(outline.left, image.left), image.right - side)
    top = outline.top - side if outline.top - side >= image.top else outline.top
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=mark.hue)
    draw.text((left + side / 2, top + side / 2), mark.letter, font=font("Bold", text), fill=BLACK, anchor="mm")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One finding of the study in the panel."""

    name: str
    claim: str
    score: str
    mark: Mark
    lines: tuple[str, ...]
    """One for each image on which it is claimed."""
    short: str
    """The numbers of all these in one, where the lines have no room."""

    def shortened(self) -> Self:
        """Return the entry with one line for all images."""
        return replace(self, lines=(self.short,) if self.short else ())


class _SummaryPanel:
    """The panel: headline, findings with the images they are on, what was not found, and the small print."""

    def __init__(self, draw: ImageDraw.ImageDraw, layout: Layout, caption: Caption) -> None:
        self._draw = draw
        self._text = layout.text
        self._caption = caption
        self._area = layout.panel
        pad = round(layout.text * 0.9)
        self._inner = Area(
            layout.panel.left + pad, layout.panel.top + pad, layout.panel.right - pad, layout.panel.bottom - pad
        )
        self._small = font("Regular", max(10, round(layout.text * 0.82)))
        self._strong = font("Medium", layout.text)
        self._line = round(max(layout.text * 1.05, 12))

    def draw(
        self, claims: list[ClaimedFinding[Finding]], marks: Mapping[str, Mark], images: Sequence[AnalysedImage]
    ) -> None:
        """Fill the panel; what has no room is counted."""
        area, inner = self._area, self._inner
        self._draw.rectangle((area.left, area.top, area.right - 1, area.bottom - 1), fill=PANEL)
        bottom = self._small_print() - round(self._text * 0.5)
        count = ngettext("%(num)s image", "%(num)s images", len(images)) % {"num": len(images)}
        y = self._write([count], self._small, SOFT, inner.top, self._line)
        words = capitalised(gist(claims, [_placed(entry, images) for entry in claims]))
        face = font("Bold", round(self._text * 1.4))
        colour = WARNING if any(entry.found for entry in claims) else WHITE
        y = self._write(wrap(words, face, inner.width), face, colour, y, round(self._text * 1.75))
        y += round(self._text * 0.3)
        entries = list(_entries(claims, marks, images))
        if y + sum(map(self._height, entries)) > bottom - self._line:
            entries = [entry.shortened() for entry in entries]
        for number, entry in enumerate(entries):
            if y + self._height(entry) > bottom - self._line:
                more = _("and %(count)s more in the structured report") % {"count": len(entries) - number}
                y = self._write([shorten(more, self._small, inner.width)], self._small, SOFT, y, self._line)
                break
            y = self._entry(entry, y)
        for paragraph, shade in self._paragraphs(claims, images):
            lines = wrap(paragraph, self._small, inner.width)
            if y + self._line * len(lines) <= bottom:
                y = self._write(lines, self._small, shade, y + round(self._text * 0.4), self._line)

    def _paragraphs(
        self, claims: list[ClaimedFinding[Finding]], images: Sequence[AnalysedImage]
    ) -> Iterator[tuple[str, Colour]]:
        for number, image in enumerate(images, 1):
            for remark in image.remarks:
                words = {"number": number, "words": _(remark.text).rstrip(".")}
                yield _("Image %(number)s: %(words)s") % words + ".", WARNING
        absent = [drawn_name(entry.finding) for entry in claims if entry.absent]
        if absent:
            yield _("Not found: %(findings)s") % {"findings": ", ".join(absent)} + ".", SOFT
        if len({entry.stated for entry in claims}) > 1:
            yield f"{_(SCORED_ONLY)}.", SOFT

    def _write(self, lines: Sequence[str], face: object, colour: Colour, y: int, step: int) -> int:
        for line in lines:
            self._draw.text((self._inner.left, y), line, font=face, fill=colour)  # type: ignore[arg-type]
            y += step
        return y

    def _height(self, entry: _Entry) -> int:
        return round(self._text * 1.75) + sum(len(lines) for lines in self._wrapped(entry)) * self._line

    def _wrapped(self, entry: _Entry) -> list[list[str]]:
        return [wrap(line, self._small, self._inner.width - self._indent) for line in entry.lines]

    @property
    def _indent(self) -> int:
        return round(self._text * 1.7)

    def _entry(self, entry: _Entry, y: int) -> int:
        """Draw a finding's row and its lines; return where the next begins."""
        text, inner, mark = self._text, self._inner, entry.mark
        base = y + round(text * 1.25)
        if mark.letter:
            side = round(text * 1.25)
            top = base - text - round(text * 0.02)
            self._draw.rectangle((inner.left, top, inner.left + side - 1, top + side - 1), fill=mark.hue)
            face = font("Bold", round(text * 0.85))
            self._draw.text((inner.left + side / 2, top + side / 2), mark.letter, font=face, fill=BLACK, anchor="mm")
        right = float(inner.right)
        if entry.score:
            bold = font("Bold", text)
            self._draw.text((right, base), entry.score, font=bold, fill=mark.hue, anchor="rs")
            right -= bold.getlength(entry.score) + text * 0.5
        self._draw.text((right, base), entry.claim, font=self._small, fill=SOFT, anchor="rs")
        room = right - self._small.getlength(entry.claim) - text * 0.5 - inner.left - self._indent
        name = shorten(entry.name, self._strong, room)
        self._draw.text((inner.left + self._indent, base), name, font=self._strong, fill=WHITE, anchor="ls")
        y += round(text * 1.75)
        for lines in self._wrapped(entry):
            for line in lines:
                self._draw.text((inner.left + self._indent, y), line, font=self._small, fill=SOFT)
                y += self._line
        return y

    def _small_print(self) -> int:
        """Write the small print from the bottom of the panel up; return where it begins."""
        inner = self._inner
        lines: list[str] = []
        for words in (_("Analysed %(time)s") % {"time": self._caption.completed}, *self._caption.details):
            lines += wrap(words, self._small, inner.width)
        lines = lines[:_MOST_PRINT]
        top = inner.bottom - self._line * len(lines)
        self._write(lines, self._small, FAINT, top, self._line)
        rule = top - round(self._text * 0.4)
        self._draw.rectangle((inner.left, rule, inner.right - 1, rule), fill=RULE)
        return rule


def _entries(
    claims: list[ClaimedFinding[Finding]], marks: Mapping[str, Mark], images: Sequence[AnalysedImage]
) -> Iterator[_Entry]:
    """Yield the findings of the study that are stated and not absent, in the order of all documents."""
    of_images = [{entry.finding.label: entry for entry in claims_of(image.findings)} for image in images]
    for study in claims:
        if not study.stated or study.absent:
            continue
        abnormal, label = study.finding.abnormal, study.finding.label
        on = [
            (number, found[label], image)
            for number, (found, image) in enumerate(zip(of_images, images, strict=True), 1)
            if abnormal and label in found and found[label].claimed
        ]
        line = _("Image %(number)s: %(words)s")
        yield _Entry(
            drawn_name(study.finding),
            claim_words(study.claim, abnormal=abnormal),
            score_words(study.finding) if study.claimed else "",
            marks[label],
            tuple(line % {"number": number, "words": _image_words(entry, image)} for number, entry, image in on),
            "; ".join(_unbroken(line, number, score_words(entry.finding)) for number, entry, _image in on),
        )


def _unbroken(line: str, number: int, words: str) -> str:
    return (line % {"number": number, "words": words}).replace(" ", "\N{NO-BREAK SPACE}")


def _placed(entry: ClaimedFinding[Finding], images: Sequence[AnalysedImage]) -> str:
    """Return a finding's name for the headline, with its place where that is sure."""
    name, place = drawn_name(entry.finding), study_place(entry, images)
    return f"{name} ({place})" if place else name


def _image_words(entry: ClaimedFinding[Finding], image: AnalysedImage) -> str:
    words = f"{claim_words(entry.claim, abnormal=True)} ({score_words(entry.finding)})"
    place = finding_place(entry, image)
    return f"{words}, {place}" if place else words

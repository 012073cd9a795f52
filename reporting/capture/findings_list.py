"""The panel of a capture: what was found, what was not, the legend and the small print.

What is claimed comes first and in full; what was not found stands in one compact block. Where room is short the
rows give up their bars' figures first, then the small print its last lines, then the rows their bars: never a claim.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from PIL import ImageDraw

from config.language.numbers import decimal
from config.language.translation import gettext as _
from inference.findings import Finding
from reporting.capture.drawing import (
    BLACK,
    FAINT,
    PANEL,
    RULE,
    SOFT,
    TRACK,
    WARNING,
    WHITE,
    Caption,
    Colour,
    Mark,
    draw_box,
    stroke_of,
)
from reporting.capture.fonts import drawn_name, font, shorten, wrap
from reporting.capture.layout import Area, Layout
from reporting.claims import Claim, ClaimedFinding, percentages
from reporting.words import (
    SCORED_ONLY,
    capitalised,
    claim_words,
    gist,
    note,
    right_words,
    score_words,
)

_COLUMN = 15
"""Least width of a column of rows, in text heights."""
_LEGEND = 6.0
_ASIDE = 0.3
_MOST_NAME_LINES = 2


class Row(Enum):
    """How much of a finding's row is drawn, with its height beneath the name in text heights."""

    FULL = 2.45
    """A bar on which both operating points are marked and named."""
    SLIM = 1.3
    """The bar and the marks."""
    LINE = 0.2
    """Name, claim and score alone."""


_ATTEMPTS = ((Row.FULL, 99, True), (Row.SLIM, 99, True), (Row.SLIM, 3, True), (Row.LINE, 3, True), (Row.LINE, 1, False))
"""Kind of row, entries of small print, and whether the legend is drawn; the first that fits is taken."""


@dataclass(frozen=True, slots=True)
class Block:
    """Something of a known height that is drawn into an area of the width it was measured for."""

    height: int
    draw: Callable[[Area], None]
    findings: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to share the panel out."""

    kind: Row
    list_area: Area
    print_area: Area
    lines: list[str]
    legend: bool


class FindingsList:
    """The panel beside or beneath the picture."""

    def __init__(self, draw: ImageDraw.ImageDraw, layout: Layout, caption: Caption, places: Mapping[str, str]) -> None:
        self._draw = draw
        self._places = places
        self._layout = layout
        self._caption = caption
        text = layout.text
        self._pad = round(text * 1.2)
        self._small = font("Regular", max(10, round(text * 0.78)))
        self._strong = font("Medium", text)
        self._bold = font("Bold", text)
        self._line = round(max(text * 0.98, 12))

    def draw(self, claims: list[ClaimedFinding[Finding]], marks: dict[int, Mark]) -> None:
        """Fill the panel."""
        area = self._layout.panel
        self._draw.rectangle((area.left, area.top, area.right - 1, area.bottom - 1), fill=PANEL)
        inner = Area(area.left + self._pad, area.top + self._pad, area.right - self._pad, area.bottom - self._pad)
        left_of_aside = inner.right - round(inner.width * _ASIDE) - 2 * self._pad
        main = inner if self._layout.beside else Area(inner.left, inner.top, left_of_aside, inner.bottom)
        top = self._headline(main, claims)
        body = Area(main.left, top, main.right, main.bottom)
        for plan in self._beside(body) if self._layout.beside else self._beneath(body, inner):
            columns = self._columns(plan.list_area)
            blocks = self._blocks(columns[0].width, claims, marks, plan.kind)
            places = _flow(blocks, columns)
            if len(places) == len(blocks):
                break
        if len(places) < len(blocks):
            last = columns[-1]
            limit = last.bottom - round(self._layout.text * 1.4)
            places = [place for place in places if place.left < last.left or place.bottom <= limit]
            count = sum(block.findings for block in blocks[len(places) :])
            more = _("and %(count)s more in the structured report") % {"count": count}
            words = shorten(more, self._small, last.width)
            self._draw.text((last.left, last.bottom), words, font=self._small, fill=SOFT, anchor="lb")
        for block, place in zip(blocks, places, strict=False):
            block.draw(place)
        self._small_print(plan)

    def _beside(self, area: Area) -> Iterator[Plan]:
        """Yield the plans of an upright panel: the list, and beneath it legend and small print."""
        for kind, most, legend in _ATTEMPTS:
            kept = self._print_lines(area.width, most)
            top = area.bottom - self._print_height(len(kept), legend=legend)
            list_area = Area(area.left, area.top, area.right, top - round(self._layout.text * 0.5))
            yield Plan(kind, list_area, Area(area.left, top, area.right, area.bottom), kept, legend)

    def _beneath(self, area: Area, whole: Area) -> Iterator[Plan]:
        """Yield the plans of a wide panel: the list, and legend and small print beside it, or last beneath it."""
        aside = Area(area.right + 2 * self._pad, whole.top, whole.right, whole.bottom)
        lines = self._print_lines(aside.width)
        while lines and self._print_height(len(lines), legend=True) > aside.height:
            lines.pop()
        for kind in Row:
            yield Plan(kind, area, aside, lines, True)
        kept = self._print_lines(whole.width, 1)
        top = whole.bottom - self._print_height(len(kept), legend=False)
        list_area = Area(whole.left, area.top, whole.right, top - round(self._layout.text * 0.5))
        yield Plan(Row.LINE, list_area, Area(whole.left, top, whole.right, whole.bottom), kept, False)

    def _headline(self, area: Area, claims: list[ClaimedFinding[Finding]]) -> int:
        text = self._layout.text
        face = font("Bold", round(text * 1.4))
        words = capitalised(gist(claims, [drawn_name(entry.finding) for entry in claims]))
        y = area.top
        if self._caption.position:
            self._draw.text((area.left, y), self._caption.position, font=self._small, fill=SOFT)
            y += round(text * 1.35)
        colour = WARNING if any(entry.found for entry in claims) else WHITE
        for line in wrap(words, face, area.width):
            self._draw.text((area.left, y), line, font=face, fill=colour)
            y += round(text * 1.75)
        for remark in self._caption.remarks:
            for line in wrap(f"{remark}.", self._small, area.width):
                self._draw.text((area.left, y), line, font=self._small, fill=WARNING)
                y += self._line
        return y + round(text * 0.7)

    def _columns(self, area: Area) -> list[Area]:
        text = self._layout.text
        gap = round(text * 2)
        count = max(1, (area.width + gap) // (_COLUMN * text + gap))
        width = (area.width - gap * (count - 1)) // count
        lefts = [area.left + number * (width + gap) for number in range(count)]
        return [Area(left, area.top, left + width, area.bottom) for left in lefts]

    def _blocks(
        self, width: int, claims: list[ClaimedFinding[Finding]], marks: dict[int, Mark], kind: Row
    ) -> list[Block]:
        keyed = any(mark.letter for mark in marks.values())
        shown = [entry for entry in claims if entry.stated and not entry.absent]
        blocks = [self._row(width, entry, marks[entry.position], kind, keyed=keyed) for entry in shown]
        absent = [entry for entry in claims if entry.absent]
        blocks += [self._not_found(width, absent)] if absent else []
        # Where nothing is stated, the headline says so.
        some = len({entry.stated for entry in claims}) > 1
        return [*blocks, self._scored_only(width)] if some else blocks

    def _scored_only(self, width: int) -> Block:
        """Measure the sentence that stands for all that is scored only."""
        lines = wrap(f"{_(SCORED_ONLY)}.", self._small, width)
        lead = round(self._layout.text * 0.6)

        def draw(area: Area) -> None:
            for number, line in enumerate(lines):
                y = area.top + lead + number * self._line
                self._draw.text((area.left, y), line, font=self._small, fill=SOFT)

        return Block(lead + self._line * len(lines), draw, 0)

    def _row(self, width: int, entry: ClaimedFinding[Finding], mark: Mark, kind: Row, *, keyed: bool) -> Block:
        """Measure one finding's row: its mark, name, claim and score, a bar, and its note."""
        text = self._layout.text
        word = claim_words(entry.claim, abnormal=entry.finding.abnormal)
        aside = (self._score_width(entry) if entry.claimed else 0) + self._small.getlength(word) + text
        indent = round(text * 1.7) if keyed and entry.found else 0
        later = width - indent
        names = wrap(drawn_name(entry.finding), self._strong, later - aside, later)
        apart = names[0].endswith("…")
        if apart:  # the name's first word has no room beside its claim, which takes the next line
            names = wrap(drawn_name(entry.finding), self._strong, later)
        if len(names) > _MOST_NAME_LINES:
            rest = " ".join(names[_MOST_NAME_LINES - 1 :])
            names = [*names[: _MOST_NAME_LINES - 1], shorten(rest, self._strong, later)]
        notes = [
            line for words in (*self._asides(entry, kind), note(entry)) if words
            for line in wrap(f"{words}.", self._small, later)
        ]  # fmt: skip
        name_height = round(text * 1.3) * (len(names) + apart)
        row = kind if entry.claimed else Row.LINE
        height = name_height + round(text * row.value) + self._line * len(notes)

        def draw(area: Area) -> None:
            self._name(area, entry, mark, names, indent, apart=apart)
            y = area.top + name_height
            if row is not Row.LINE:
                thick = max(3, round(text * (0.42 if row is Row.FULL else 0.3)))
                bar = Area(area.left, y + round(text * 0.25), area.right, y + round(text * 0.25) + thick)
                self._bar(bar, entry.finding, mark.hue, named=row is Row.FULL)
                y += round(text * (1.9 if row is Row.FULL else 0.85))
            for line in notes:
                self._draw.text((area.left + indent, y), line, font=self._small, fill=SOFT)
                y += self._line

        return Block(height, draw, 1)

    def _asides(self, entry: ClaimedFinding[Finding], kind: Row) -> Iterator[str]:
        """Yield what is left out first where room is short: the place, and how often such calls were right."""
        if kind is not Row.LINE:
            yield capitalised(self._places.get(entry.finding.label, ""))
            yield right_words(entry)

    def _score_width(self, entry: ClaimedFinding[Finding]) -> float:
        return max(self._bold.getlength("00 %"), self._bold.getlength(score_words(entry.finding)))

    def _name(
        self, area: Area, entry: ClaimedFinding[Finding], mark: Mark, names: list[str], indent: int, *, apart: bool
    ) -> None:
        text = self._layout.text
        base = area.top + text
        claim_base = base + (len(names) * round(text * 1.3) if apart else 0)
        plain = not entry.claimed
        if mark.letter:
            self._badge(area, mark, open_=entry.claim is Claim.UNDETERMINED)
        for number, line in enumerate(names):
            y = base + number * round(text * 1.3)
            ink = SOFT if plain else WHITE
            self._draw.text((area.left + indent, y), line, font=self._strong, fill=ink, anchor="ls")
        word = claim_words(entry.claim, abnormal=entry.finding.abnormal)
        right = area.right - (0 if plain else round(self._score_width(entry) + text * 0.5))
        self._draw.text((right, claim_base), word, font=self._small, fill=SOFT, anchor="rs")
        if not plain:
            score = score_words(entry.finding)
            self._draw.text((area.right, claim_base), score, font=self._bold, fill=mark.hue, anchor="rs")

    def _badge(self, area: Area, mark: Mark, *, open_: bool) -> None:
        """Draw a finding's letter, in a full square where it is present and in an open one where it is undetermined."""
        text = self._layout.text
        side, top = round(text * 1.2), area.top + round(text * 0.04)
        box = (area.left, top, area.left + side - 1, top + side - 1)
        width = max(1, round(text / 12))
        self._draw.rectangle(box, fill=None if open_ else mark.hue, outline=mark.hue, width=width)
        centre = (area.left + side / 2, top + side / 2)
        face = font("Bold", round(text * 0.85))
        self._draw.text(centre, mark.letter, font=face, fill=mark.hue if open_ else BLACK, anchor="mm")

    def _not_found(self, width: int, absent: list[ClaimedFinding[Finding]]) -> Block:
        """Measure the block of what was not found: names, in two columns where they fit."""
        text = self._layout.text
        gap = round(text * 1.5)
        longest = max(self._small.getlength(drawn_name(entry.finding)) for entry in absent)
        across = 2 if longest <= (width - gap) / 2 else 1
        column = (width - gap * (across - 1)) // across
        down = -(-len(absent) // across)
        step = max(round(text * 1.15), 13)
        lead = round(text * 0.35)
        heading = lead + round(text * 1.5)

        def draw(area: Area) -> None:
            title = _("Not found")
            self._draw.text((area.left, area.top + lead), title, font=self._strong, fill=SOFT)
            aside = _("below the sensitive point")
            if self._strong.getlength(title) + self._small.getlength(aside) + text <= width:
                place = (area.left + width, area.top + lead + text)
                self._draw.text(place, aside, font=self._small, fill=FAINT, anchor="rs")
            for number, entry in enumerate(absent):
                left = area.left + number // down * (column + gap)
                y = area.top + heading + number % down * step
                name = shorten(drawn_name(entry.finding), self._small, column)
                self._draw.text((left, y), name, font=self._small, fill=SOFT)

        return Block(heading + step * down, draw, len(absent))

    def _bar(self, area: Area, finding: Finding, hue: Colour, *, named: bool) -> None:
        """Draw a score on its bar, with both operating points marked, and named where there is room."""
        self._draw.rectangle((area.left, area.top, area.right - 1, area.bottom - 1), fill=TRACK)
        filled = round(area.width * min(max(finding.score, 0.0), 1.0))
        if filled:
            self._draw.rectangle((area.left, area.top, area.left + filled - 1, area.bottom - 1), fill=hue)
        reach = max(2, area.height // 2)
        tick = max(2, round(self._layout.text / 10))
        points = (finding.points.sensitive, finding.points.specific)
        labels = [decimal(number) for number in percentages(finding)[1:]]
        places = [area.left + round(area.width * point) for point in points]
        for place in places:
            self._draw.rectangle(
                (place - tick - 1, area.top - reach, place + tick, area.bottom + reach - 1), fill=PANEL
            )
            self._draw.rectangle(
                (place - tick // 2, area.top - reach, place + (tick - 1) // 2, area.bottom + reach - 1), fill=WHITE
            )
        if not named:
            return
        y = area.bottom + reach + round(self._layout.text * 0.15)
        gap = self._small.getlength(labels[0]) / 2 + self._small.getlength(labels[1]) / 2 + self._layout.text / 3
        if places[1] - places[0] < gap:
            labels, places = [" | ".join(labels)], [round((places[0] + places[1]) / 2)]
        for place, label in zip(places, labels, strict=True):
            half = self._small.getlength(label) / 2
            x = min(max(place, area.left + half), area.right - half)
            self._draw.text((x, y), label, font=self._small, fill=FAINT, anchor="ma")

    def _print_lines(self, width: int, most: int = 99) -> list[str]:
        lines: list[str] = []
        for entry in (_("Analysed %(time)s") % {"time": self._caption.completed}, *self._caption.details)[:most]:
            lines += wrap(entry, self._small, width)
        return lines

    def _print_height(self, lines: int, *, legend: bool) -> int:
        return (round(self._layout.text * _LEGEND) if legend else 0) + self._line * lines

    def _small_print(self, plan: Plan) -> None:
        """Draw legend and small print."""
        y = plan.print_area.top
        if plan.legend:
            self._legend(plan.print_area)
            y += self._print_height(0, legend=True)
        for line in plan.lines:
            self._draw.text((plan.print_area.left, y), line, font=self._small, fill=FAINT)
            y += self._line

    def _legend(self, area: Area) -> None:
        text = self._layout.text
        self._draw.rectangle((area.left, area.top, area.right - 1, area.top), fill=RULE)
        swatch = round(text * 1.6)
        y = area.top + round(text * 0.9)
        room = area.width - swatch - text
        meanings = (_("present: at or above the specific point"), _("undetermined: between the two points"))
        if any(self._small.getlength(words) > room for words in meanings):
            meanings = (_("present"), _("undetermined"))
        for words, dashed in zip(meanings, (False, True), strict=True):
            box = Area(area.left, y, area.left + swatch, y + text)
            draw_box(self._draw, box, WHITE, stroke_of(text), dashed=dashed)
            place = (area.left + swatch + text * 0.7, y + text / 2)
            self._draw.text(place, shorten(words, self._small, room), font=self._small, fill=SOFT, anchor="lm")
            y += round(text * 1.55)
        marks = (
            _("Marks on a bar: sensitive | specific point"), _("Bar: sensitive | specific point"),
            _("Bar: both points"),
        )  # fmt: skip
        self._draw.text((area.left, y), self._fitting(marks, area.width), font=self._small, fill=SOFT)

    def _fitting(self, choices: Sequence[str], width: float) -> str:
        """Return the first of several wordings that fits, else the last, cut."""
        fits = (words for words in choices if self._small.getlength(words) <= width)
        return next(fits, shorten(choices[-1], self._small, width))


def _flow(blocks: Sequence[Block], columns: Sequence[Area]) -> list[Area]:
    """Return where the blocks go, down one column after the other; fewer places than blocks where they do not fit."""
    places: list[Area] = []
    remaining = list(columns)
    y = remaining[0].top
    for block in blocks:
        while remaining and y + block.height > remaining[0].bottom:
            remaining.pop(0)
            y = remaining[0].top if remaining else 0
        if not remaining:
            break
        places.append(Area(remaining[0].left, y, remaining[0].right, y + block.height))
        y += block.height
    return places

"""Where a finding's regions lie, in a reader's words: the side of the patient, and the zone of the lung.

Zones are thirds of the lung's height. The lung is not outlined here: the borders between its thirds stand at fixed
shares of the image's height, those of the lung masks of two public collections (JSRT, v7labs). Where one zone is said
of a small region, it is the third that the mask gives for 95 % of the points of a lung in JSRT, 92 % in Shenzhen, which
the borders do not follow from, and 91 % in v7labs. Near a border, for a quarter of the points, both zones are said, and
one of them is right for 99.9 %. No side was wrong of more than 0.01 % (``benchmarks.zones``).

Sides are the patient's. They are said only where header and image leave no doubt; otherwise no place is said at all.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Literal

from config.language.translation import gettext as _
from config.language.translation import marked
from inference.findings import Box, Finding, Remark, RemarkKind
from reporting.account import AnalysedImage
from reporting.claims import ClaimedFinding, claims_of, shown_regions
from reporting.source import SourceImage

Direction = Literal[1, -1]
_BORDERS = (0.34, 0.57)
"""Between upper and mid, and between mid and lower zone, as shares of the image's height."""
_UNSURE = 0.04
"""Shares of the image's height around a border within which both zones are said."""
_MIDLINE = 0.05
"""Share of the image's width on either side of its middle in which no side is said: the middle between the lungs lies
within 0.45 and 0.54 on 90 % of the least well centred of the three collections."""
_OF_THE_LUNGS = frozenset({"39607008", "3120008"})
"""Finding sites that zones are said of: lung and pleura (SCT)."""


class Zone(IntEnum):
    """A third of a lung's height."""

    UPPER = 0
    MID = 1
    LOWER = 2


Zones = dict[Direction, frozenset[Zone]]
"""The zones of regions by the patient's side, that of the likeliest region first."""
_U, _M, _L = Zone
_WORDS: Mapping[Direction, Mapping[frozenset[Zone], str]] = {
    1: {
        frozenset({_U}): marked("left upper zone"), frozenset({_M}): marked("left mid zone"),
        frozenset({_L}): marked("left lower zone"), frozenset({_U, _M}): marked("left upper and mid zones"),
        frozenset({_M, _L}): marked("left mid and lower zones"),
    },
    -1: {
        frozenset({_U}): marked("right upper zone"), frozenset({_M}): marked("right mid zone"),
        frozenset({_L}): marked("right lower zone"), frozenset({_U, _M}): marked("right upper and mid zones"),
        frozenset({_M, _L}): marked("right mid and lower zones"),
    },
}  # fmt: skip
_WHOLE: Mapping[Direction, str] = {1: marked("left lung"), -1: marked("right lung")}


def direction_to_left(
    source: SourceImage, remarks: Sequence[Remark], verdict: Mapping[str, Any] | None
) -> Direction | None:
    """Return along which direction of a stored image's columns the patient's left lies, None where it is not sure.

    Parameters
    ----------
    source
        The image's header: Patient Orientation says it (PS3.3 C.7.6.1.1.1).
    remarks
        How the image was read: one that was turned upright for the analysis has no place said.
    verdict
        What the image itself says: it must not contradict the header, and where the header is silent it must say that
        the image is not mirrored.
    """
    if any(remark.kind is RemarkKind.ORIENTATION_MENDED for remark in remarks):
        return None
    mirrored = None if verdict is None else verdict.get("mirrored")
    if source.orientation is None:
        return 1 if mirrored is False else None
    along, down = (text[0] for text in source.orientation)
    if down != "F" or along not in {"L", "R"}:
        return None
    if along == "L":
        return None if mirrored is True else 1
    return None if mirrored is False else -1


def finding_place(entry: ClaimedFinding[Finding], image: AnalysedImage) -> str:
    """Return where a claimed finding's regions lie, such as ``left lower zone, right mid and lower zones``.

    Empty where it marks none, is not of the lungs, or the place of one of them is not sure.
    """
    if entry.finding.site.value not in _OF_THE_LUNGS:
        return ""
    return _place(shown_regions(entry), image)


def image_places(image: AnalysedImage) -> dict[str, str]:
    """Return where the regions of an image's findings lie, by the findings' labels; without those of no sure place."""
    places = {entry.finding.label: finding_place(entry, image) for entry in claims_of(image.findings)}
    return {label: place for label, place in places.items() if place}


def study_place(entry: ClaimedFinding[Finding], images: Sequence[AnalysedImage]) -> str:
    """Return where a study's finding lies, on all images together of which the same is claimed as of the study.

    Empty as :func:`finding_place`, and where the place is not sure on one of these images.
    """
    if entry.finding.site.value not in _OF_THE_LUNGS:
        return ""
    zones: Zones = {}
    for image in images:
        for own in claims_of(image.findings):
            if own.finding.label == entry.finding.label and own.claim is entry.claim:
                found = _zones_of(shown_regions(own), image)
                if found is None:
                    return ""
                zones = _together(zones, found)
    return _in_words(zones)


def region_place(finding: Finding, box: Box, image: AnalysedImage) -> str:
    """Return where one region of a finding lies; empty as :func:`finding_place`."""
    return _place([box], image) if finding.site.value in _OF_THE_LUNGS else ""


def _place(boxes: Sequence[Box], image: AnalysedImage) -> str:
    return _in_words(_zones_of(boxes, image) or {})


def _in_words(zones: Zones) -> str:
    return ", ".join(_(_WORDS[side].get(found, _WHOLE[side])) for side, found in zones.items())


def _zones_of(boxes: Sequence[Box], image: AnalysedImage) -> Zones | None:
    """Return the zones of regions on each side; None where a side is not sure."""
    zones: Zones = {}
    for box in boxes:
        side = _side(box, image)
        if side is None:
            return None
        zones = _together(zones, {side: _zones(box, image.source.rows)})
    return zones


def _together(some: Zones, more: Zones) -> Zones:
    return {side: some.get(side, frozenset()) | more.get(side, frozenset()) for side in {**some, **more}}


def _side(box: Box, image: AnalysedImage) -> Direction | None:
    """Return the patient's side on which the middle of a region lies: 1 is left."""
    if image.to_left is None or not image.source.rows or not image.source.columns:
        return None
    beyond = (box.x0 + box.x1) / 2 / image.source.columns - 0.5
    if abs(beyond) < _MIDLINE:
        return None
    return 1 if (beyond > 0) == (image.to_left > 0) else -1


def _zones(box: Box, rows: int) -> frozenset[Zone]:
    """Return the zones that the middle half of a region reaches into, both of them near a border."""
    middle, reach = (box.y0 + box.y1) / 2 / rows, max((box.y1 - box.y0) / 4 / rows, _UNSURE)
    first, last = (sum(height > border for border in _BORDERS) for height in (middle - reach, middle + reach))
    return frozenset(Zone(number) for number in range(first, last + 1))

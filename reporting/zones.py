"""Where a finding's regions lie, in a reader's words: the side of the patient, and the zone of the lung.

Zones are thirds of the lung's height. Where the anatomy network outlined both lungs wholly on the image, they are those
of its outlines: where one zone is said, it is right for 99.1 % of points of 150 films of JSRT, which the network learnt
from, and for 99.6 % of 150 of Shenzhen, which it did not; no side was wrong. Else the borders between them stand at
fixed shares of the image's height, those of the lung masks of two public collections (JSRT, v7labs). Where one zone is
said of a small region, it is the third that the mask gives for 95 % of the points of a lung in JSRT, 92 % in Shenzhen,
which the borders do not follow from, and 91 % in v7labs. Near a border, for a quarter of the points, both zones are
said, and one of them is right for 99.9 %. No side was wrong of more than 0.01 % (``benchmarks.zones``).

Sides are the patient's. They are said only where header and image leave no doubt; otherwise no place is said at all.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Literal

from config.language.translation import gettext as _
from config.language.translation import marked
from inference.findings import Box, Finding, Remark, RemarkKind
from reporting.account import AnalysedImage, Lungs
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
_OUTLINED_UNSURE, _OUTLINED_MIDLINE = 0.03, 0.02
"""The same where the lungs are outlined."""
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


def lungs_of(to_left: Direction | None, verdict: Mapping[str, Any] | None) -> Lungs | None:
    """Return how far the lungs reach by their outlines; None where these may not be taken.

    Parameters
    ----------
    to_left
        Where the patient's left is (:func:`direction_to_left`): the outlined left lung must lie there, as the network
        tells left from right by the heart, which a mirrored image or a heart on the right would turn round.
    verdict
        What is on record of the image: both lungs must be outlined and wholly on it.
    """
    anatomy = (verdict or {}).get("anatomy") or {}
    left, right = (anatomy.get(name) or {} for name in ("left_lung", "right_lung"))
    if to_left is None or not all(lung.get("whole") and lung.get("extent") for lung in (left, right)):
        return None
    lungs = Lungs(tuple(left["extent"]), tuple(right["extent"]))
    apart = (lungs.left[0] + lungs.left[2] - lungs.right[0] - lungs.right[2]) * to_left
    return lungs if apart > 0 else None


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
        zones = _together(zones, {side: _zones(box, image, side)})
    return zones


def _together(some: Zones, more: Zones) -> Zones:
    return {side: some.get(side, frozenset()) | more.get(side, frozenset()) for side in {**some, **more}}


def _side(box: Box, image: AnalysedImage) -> Direction | None:
    """Return the patient's side on which the middle of a region lies: 1 is left."""
    if image.to_left is None or not image.source.rows or not image.source.columns:
        return None
    middle, margin = _midline(image)
    beyond = (box.x0 + box.x1) / 2 / image.source.columns - middle
    if abs(beyond) < margin:
        return None
    return 1 if (beyond > 0) == (image.to_left > 0) else -1


def _midline(image: AnalysedImage) -> tuple[float, float]:
    """Return the middle between the lungs, and how far around it no side is said, as shares of the image's width."""
    if image.lungs is None:
        return 0.5, _MIDLINE
    (left0, _top, left1, _bottom), (right0, _top, right1, _bottom) = image.lungs.left, image.lungs.right
    inner = (left0 + right1) / 2 if left0 + left1 > right0 + right1 else (left1 + right0) / 2
    return inner / image.source.columns, _OUTLINED_MIDLINE


def _zones(box: Box, image: AnalysedImage, side: Direction) -> frozenset[Zone]:
    """Return the zones that the middle half of a region reaches into, both of them near a border."""
    rows = image.source.rows
    borders, unsure = _BORDERS, _UNSURE
    if image.lungs is not None:
        _left, top, _right, bottom = image.lungs.left if side == 1 else image.lungs.right
        third = (bottom - top) / 3 / rows
        borders, unsure = (top / rows + third, top / rows + 2 * third), _OUTLINED_UNSURE
    middle, reach = (box.y0 + box.y1) / 2 / rows, max((box.y1 - box.y0) / 4 / rows, unsure)
    first, last = (sum(height > border for border in borders) for height in (middle - reach, middle + reach))
    return frozenset(Zone(number) for number in range(first, last + 1))

"""The radiographs of a study as its page shows them: the image itself, and what the model says of it as layers."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from config.language.numbers import percentage
from config.language.translation import gettext as _
from config.logs import get_logger
from config.settings import Settings
from inference.findings import Box, Finding, finding_from_json
from reporting.claims import ClaimedFinding, claims_of, percent, region_claim, region_number, regions_of
from reporting.words import claim_words, finding_name
from tracking.results.analyses import FindingRecord, StoredAnalysis

log = get_logger(__name__)
LONGEST_SIDE = 2500
"""Pixels of the image on a page: enough to look at a detail of a radiograph at its own resolution."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the image in shares of its width and height."""

    left: float
    top: float
    width: float
    height: float
    title: str
    claim: str
    """``present`` or ``undetermined``."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one finding puts over the image."""

    label: str
    name: str
    regions: tuple[Region, ...]
    score_map: str | None
    """Address of its score map as an image that lets the radiograph through, or None."""


@dataclass(frozen=True, slots=True)
class Radiograph:
    """An image of a study that a page can show."""

    instance_uid: str
    address: str
    layers: tuple[Layer, ...]


def radiographs_of(settings: Settings, analysis: StoredAnalysis | None) -> dict[str, Radiograph]:
    """Return the images of an analysis, by SOP Instance UID, with what the model claims of them.

    An image whose file cannot be parsed any more is left out; one that was not analysed has no layers.
    """
    if analysis is None:
        return {}
    outcomes = {outcome.instance_uid: outcome for outcome in analysis.outcomes}
    radiographs: dict[str, Radiograph] = {}
    for instance in analysis.instances:
        size = stored_size(settings.instance_dir / instance.path)
        if size is None:
            log.warning("image-not-shown", instance_uid=instance.instance_uid, error="its header cannot be read")
            continue
        place = f"/study/{quote(analysis.study_uid, '')}/images/{quote(instance.instance_uid, '')}"
        outcome = outcomes.get(instance.instance_uid)
        layers = () if outcome is None else layers_of(outcome.findings, size, place)
        radiographs[instance.instance_uid] = Radiograph(instance.instance_uid, f"{place}.png", layers)
    return radiographs


def sizes_of(settings: Settings, analysis: StoredAnalysis | None) -> dict[str, tuple[int, int]]:
    """Return rows and columns of the images of an analysis that can be read, by SOP Instance UID."""
    instances = () if analysis is None else analysis.instances
    sizes = {instance.instance_uid: stored_size(settings.instance_dir / instance.path) for instance in instances}
    return {uid: size for uid, size in sizes.items() if size is not None}


def layers_of(records: Sequence[FindingRecord], size: tuple[int, int], place: str) -> tuple[Layer, ...]:
    """Return what the claimed findings of one image put over it, in the order in which they are listed.

    Parameters
    ----------
    records
        The findings of the image as they are on record.
    size
        Rows and columns of the stored image, which regions are in.
    place
        Address below which the score maps are.
    """
    findings = [finding for record in records if (finding := _finding(record.detail)) is not None]
    layers = (_layer(entry, size, place) for entry in claims_of(findings) if entry.claimed)
    return tuple(layer for layer in layers if layer.regions or layer.score_map)


def stored_size(path: Path) -> tuple[int, int] | None:
    """Return rows and columns of a stored image from its header; None where it cannot be read or has none."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
        rows, columns = int(header.Rows), int(header.Columns)
    except (OSError, InvalidDicomError, AttributeError, ValueError, TypeError, RecursionError):
        return None
    return (rows, columns) if rows > 0 and columns > 0 else None


def draw(settings: Settings, path: str) -> bytes:
    """Return a stored image as a PNG of 8 bits, as a reader is meant to see it, nothing drawn on it.

    Raises
    ------
    UnreadableInstance
        The file cannot be parsed.
    UndecodablePixels
        It cannot be decoded.
    OSError
        It cannot be read from the disk.
    """
    from inference.pixels import display_size, read_picture, to_display  # which brings the decoders

    picture = read_picture(settings.instance_dir / path, settings.inference.max_pixels, LONGEST_SIDE)
    return _png(Image.fromarray(to_display(picture, *display_size(picture, LONGEST_SIDE))))


def draw_map(finding: Finding) -> bytes:
    """Return a finding's score map alone as a PNG that lets the radiograph through; it covers the whole image.

    Raises ValueError where the finding has none.
    """
    from inference.explanation.rendering import map_layer

    if finding.map is None:
        msg = f"the finding {finding.label} has no score map"
        raise ValueError(msg)
    return _png(Image.fromarray(map_layer(finding.map)))


def _layer(entry: ClaimedFinding[Finding], size: tuple[int, int], place: str) -> Layer:
    finding = entry.finding
    regions = regions_of(entry)
    several = len(regions) > 1
    return Layer(
        label=finding.label,
        name=finding.code.meaning,
        regions=tuple(_region(entry, box, size, number if several else None) for number, box in enumerate(regions, 1)),
        score_map=f"{place}/maps/{finding.label}.png" if finding.map is not None else None,
    )


def _region(entry: ClaimedFinding[Finding], box: Box, size: tuple[int, int], number: int | None) -> Region:
    rows, columns = size
    claim = region_claim(entry, box)
    name = finding_name(entry.finding)
    if number is not None:
        name = _("%(finding)s, region %(number)s") % {"finding": name, "number": number}
    words = claim_words(claim, abnormal=entry.finding.abnormal)
    score = f"{region_number(entry, box):.0f}" if number is not None else percent(entry.finding)
    return Region(
        left=box.x0 / columns, top=box.y0 / rows, width=(box.x1 - box.x0) / columns, height=(box.y1 - box.y0) / rows,
        title=f"{name}: {words} {percentage(score, beside_words=True)}", claim=claim.value,
    )  # fmt: skip


def _finding(detail: Mapping[str, object]) -> Finding | None:
    """Return a finding on record, or None where an earlier version did not keep it whole."""
    try:
        return finding_from_json(dict(detail))
    except (KeyError, TypeError, ValueError):
        return None


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return content.getvalue()

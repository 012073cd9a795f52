"""Score maps on a study's page: which there are, and one of them drawn over its image from what is on record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from config.settings import Settings
from inference.findings import (
    Finding,
    ImageAnalysis,
    ModelIdentity,
    RemarkKind,
    finding_from_json,
    remarks_from_json,
)
from reporting.claims import ClaimedFinding
from reporting.identity import capture_uid
from reporting.image_answer import draw_map_overlay, mapped
from tracking.results.analyses import OutcomeRecord, StoredAnalysis


@dataclass(frozen=True, slots=True)
class MapLink:
    """A score map that a page offers."""

    name: str
    """Of the finding."""
    address: str


@dataclass(frozen=True, slots=True)
class FoundMap:
    """A score map on record, with all that it is drawn from."""

    analysis: StoredAnalysis
    image: ImageAnalysis
    entry: ClaimedFinding[Finding]
    path: Path
    """Of the image, relative to the instance store."""


def by_capture(
    analysis: StoredAnalysis | None, carried: Mapping[str, str] = MappingProxyType({})
) -> dict[str, list[MapLink]]:
    """Return the score maps of an analysis by the SOP Instance UID of the capture that shows the same image.

    ``carried`` are the captures that it shares with earlier analyses, by image.
    """
    links: dict[str, list[MapLink]] = {}
    if analysis is None:
        return links
    sources = [outcome.instance_uid for outcome in analysis.outcomes]
    for outcome in analysis.outcomes:
        uid = outcome.instance_uid
        capture = carried.get(uid) or capture_uid(sources, _model(analysis), analysis.revision, uid)
        for entry in mapped(_image(outcome)):
            address = f"/study/{quote(analysis.study_uid, '')}/maps/{quote(uid, '')}/{entry.finding.label}.png"
            links.setdefault(capture, []).append(MapLink(entry.finding.code.meaning, address))
    return links


def find(analysis: StoredAnalysis | None, instance_uid: str, label: str) -> FoundMap | None:
    """Return the score map of one finding on one image of an analysis, or None where there is none to show."""
    if analysis is None:
        return None
    paths = {instance.instance_uid: Path(instance.path) for instance in analysis.instances}
    for outcome in analysis.outcomes:
        if outcome.instance_uid != instance_uid or instance_uid not in paths:
            continue
        image = _image(outcome)
        for entry in mapped(image):
            if entry.finding.label == label:
                return FoundMap(analysis, image, entry, paths[instance_uid])
    return None


def draw(settings: Settings, found: FoundMap, *, shown_side: int | None) -> bytes:
    """Return a score map over its image as PNG, laid out as the image's capture.

    Parameters
    ----------
    settings
        Where the images are, and how large a capture is drawn.
    found
        What to draw.
    shown_side
        No side of the result is longer than this many pixels; None for that of a capture.

    Raises
    ------
    UnreadableInstance
        The image's file cannot be parsed.
    UndecodablePixels
        It cannot be decoded any more.
    OSError
        It cannot be read from the disk.
    """
    from inference.pixels import read_picture  # which brings the decoders

    side = settings.report.capture_longest_side
    picture = read_picture(settings.instance_dir / found.path, settings.inference.max_pixels, side)
    analysis = found.analysis
    return draw_map_overlay(
        picture,
        found.image,
        found.entry,
        _model(analysis),
        analysis.completed_at,
        side,
        origin=f"Revision {analysis.revision} of the study.",
        shown_side=shown_side,
    )


def _image(outcome: OutcomeRecord) -> ImageAnalysis:
    """Return what came of an image that has a score map, else an image without findings.

    Findings of an earlier version, which knew no maps, need not be whole. What the documents leave empty is no matter
    of how the image was read.
    """
    if not any(record.detail.get("map") for record in outcome.findings):
        return ImageAnalysis(())
    findings = tuple(finding_from_json(record.detail) for record in outcome.findings)
    remarks = remarks_from_json(outcome.remarks)
    return ImageAnalysis(findings, tuple(r for r in remarks if r.kind is not RemarkKind.ATTRIBUTE_LEFT_OUT))


def _model(analysis: StoredAnalysis) -> ModelIdentity:
    return ModelIdentity(analysis.model_name, analysis.model_version, analysis.model_digest, analysis.engine)

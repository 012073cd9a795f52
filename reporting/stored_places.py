"""Where the regions of a stored image's findings lie, for pages that show the image's results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.errors import UnreadableInstance
from inference.findings import Finding, finding_from_json, remarks_from_json
from reporting.account import AnalysedImage
from reporting.source import read_source
from reporting.zones import direction_to_left, image_places, lungs_of
from tracking.results.analyses import OutcomeRecord


def stored_places(path: Path, outcome: OutcomeRecord) -> dict[str, str]:
    """Return the place of each finding by its label, in the language in force; without those of no sure place.

    Parameters
    ----------
    path
        The image's file, of which the header is read: nothing is said where it cannot be.
    outcome
        What came of the image.
    """
    findings = tuple(finding for record in outcome.findings if (finding := _whole(record.detail)) is not None)
    if not any(finding.boxes for finding in findings):
        return {}
    try:
        source = read_source(path)
    except (UnreadableInstance, OSError):
        return {}
    to_left = direction_to_left(source, remarks_from_json(outcome.remarks), outcome.verdict)
    return image_places(AnalysedImage(source, findings, (), to_left, lungs_of(to_left, outcome.verdict)))


def _whole(detail: Mapping[str, Any]) -> Finding | None:
    """Return a finding; None where an earlier version did not keep all of it."""
    try:
        return finding_from_json(dict(detail))
    except (KeyError, TypeError, ValueError):
        return None

"""From a recipe and what was chosen on validation pictures to the manifest of its package."""

from pathlib import Path
from typing import Any

from config.errors import DataError
from inference.findings import Code
from inference.manifest import Manifest
from inference.package import MANIFEST
from training.calibration.scale import UNSCALED, UNSCALED_BOXES, Calibration, Scale
from training.recipe.catalogue import entry
from training.recipe.recipe import FindingSettings, Recipe

LICENCE = "Apache-2.0"
INTENDED_USE = (
    "Research and technical evaluation on frontal chest radiographs of adults. Not a medical device; not for "
    "diagnosis, treatment or triage of patients."
)
MAX_BOXES = 6
BOX_OVERLAP = 0.3
"""Of two boxes that overlap more than this, the surer one stays."""


def require_place(out: Path) -> None:
    """Raise :class:`DataError` where a package would take the place of something that is none; ask before fitting."""
    if out.exists() and not (out / MANIFEST).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise DataError(f"{out} is there and is no model package, so it is not replaced: give another folder")


def manifest(recipe: Recipe, calibration: Calibration) -> Manifest:
    """Return the manifest, but for the files' hashes."""
    heads = [
        {"name": head.name, "index": index, "activation": head.activation, "names": head.classes}
        for index, head in enumerate(recipe.heads)
    ]
    maps = {"heat": len(heads), "box": len(heads) + 1, "names": recipe.maps} if recipe.maps else None
    side = recipe.network.side
    return Manifest.model_validate(
        {
            "name": recipe.package.name,
            "version": recipe.package.version,
            "title": recipe.package.title,
            "summary": " ".join(recipe.package.summary.split()),
            "licence": LICENCE,
            "intended_use": INTENDED_USE,
            "input": {"rows": side, "columns": side, "contrast": recipe.network.contrast},
            "heads": tuple(heads),
            "maps": maps,
            "findings": tuple(_finding(one, calibration) for one in recipe.findings),
            "detectors": tuple(
                _detector(one.label, calibration.boxes.get(one.label, UNSCALED_BOXES))
                for one in recipe.findings
                if one.boxes
            ),
        }
    )


def _finding(settings: FindingSettings, calibrated: Calibration) -> dict[str, Any]:
    known = entry(settings.label)
    scale = calibrated.findings.get(settings.label, UNSCALED)
    base = calibrated.findings.get(settings.given or "")
    margin, heat = scale.logistic.weights
    calibration: dict[str, Any] = {"class": margin, "heat": heat, "bias": scale.logistic.bias}
    if settings.heat:
        calibration["channel"] = settings.label
    return {
        "label": settings.label,
        "head": settings.head,
        "class": settings.source,
        "given": settings.given,
        "given_whole": 1.0 if base is None else base.whole_from,
        "abnormal": known.abnormal,
        "code": _code(known.code),
        "site": _code(known.site),
        "note": known.note,
        "calibration": calibration,
        "points": scale.points,
        "boxes": settings.boxes,
    }


def _code(code: Code) -> dict[str, str]:
    return {"value": code.value, "scheme": code.scheme, "meaning": code.meaning}


def _detector(label: str, scale: Scale) -> dict[str, Any]:
    return {
        "finding": label,
        "channel": label,
        "max_boxes": MAX_BOXES,
        "iou": BOX_OVERLAP,
        "calibration": {"scale": scale.logistic.weights[0], "bias": scale.logistic.bias},
        "points": scale.points,
    }

"""The opacity package's manifest: what its outputs mean, with calibration and operating points from validation."""

from dataclasses import dataclass
from typing import Any

from inference.package import Manifest
from training.calibrate import Logistic
from training.model import CLASSES
from training.recipe import Recipe

OPACITY, NORMAL = "lung_opacity", "normal"
LICENCE = "Apache-2.0"
INTENDED_USE = (
    "Research and technical evaluation on frontal chest radiographs of adults. Not a medical device; not for "
    "diagnosis, treatment or triage of patients."
)
MAX_BOXES = 6
BOX_OVERLAP = 0.3
"""Of two boxes that overlap more than this, the surer one stays."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How a finding's or the boxes' probability follows from logits, and its two operating points."""

    logistic: Logistic
    sensitive: float
    specific: float

    @property
    def points(self) -> dict[str, float]:
        """Return the points as the manifest has them."""
        return {"sensitive": self.sensitive, "specific": self.specific}


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that was chosen on validation pictures."""

    opacity: Scale
    """Of (class margin, best heat logit)."""
    normal: Scale
    boxes: Scale
    """Of (heat logit)."""


RAW = Calibration(
    opacity=Scale(Logistic((1.0, 0.0), 0.0), 0.5, 0.5),
    normal=Scale(Logistic((1.0, 0.0), 0.0), 0.5, 0.5),
    boxes=Scale(Logistic((1.0,), 0.0), 0.0, 0.0),
)
"""Nothing calibrated: every peak of the heat map is a box."""


def manifest(recipe: Recipe, calibration: Calibration, *, max_boxes: int = MAX_BOXES) -> Manifest:
    """Return the manifest, but for the files' hashes."""
    return Manifest.model_validate(
        {
            "name": recipe.package.name,
            "version": recipe.package.version,
            "title": recipe.package.title,
            "summary": " ".join(recipe.package.summary.split()),
            "licence": LICENCE,
            "intended_use": INTENDED_USE,
            "input": {"rows": recipe.model.side, "columns": recipe.model.side},
            "heads": ({"name": "classes", "index": 0, "activation": "softmax", "names": CLASSES},),
            "maps": {"heat": 1, "box": 2, "names": (OPACITY,)},
            "findings": (
                _finding(OPACITY, ("112001", "DCM", "Opacity"), ("39607008", "SCT", "Lung"), calibration.opacity),
                _finding(NORMAL, ("17621005", "SCT", "Normal"), ("816094009", "SCT", "Chest"), calibration.normal),
            ),
            "detectors": (
                {
                    "finding": OPACITY,
                    "channel": OPACITY,
                    "max_boxes": max_boxes,
                    "iou": BOX_OVERLAP,
                    "calibration": {
                        "scale": calibration.boxes.logistic.weights[0],
                        "bias": calibration.boxes.logistic.bias,
                    },
                    "points": calibration.boxes.points,
                },
            ),
        }
    )


def _finding(label: str, code: tuple[str, str, str], site: tuple[str, str, str], scale: Scale) -> dict[str, Any]:
    margin, heat = scale.logistic.weights
    return {
        "label": label,
        "head": "classes",
        "class": label,
        "abnormal": label != NORMAL,
        "code": dict(zip(("value", "scheme", "meaning"), code, strict=True)),
        "site": dict(zip(("value", "scheme", "meaning"), site, strict=True)),
        "calibration": {"class": margin, "heat": heat, "bias": scale.logistic.bias, "channel": OPACITY},
        "points": scale.points,
        "boxes": label == OPACITY,
    }

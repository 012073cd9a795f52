"""What calibration yields: of each finding a logistic function of the network's evidence, and two operating points."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from training.calibration.logistic import Logistic

_LEAST_WHOLE = 1e-3


@dataclass(frozen=True, slots=True)
class Scale:
    """How a probability follows from evidence, and its two operating points."""

    logistic: Logistic
    sensitive: float
    specific: float

    @property
    def points(self) -> dict[str, float]:
        """Return the points as the manifest has them."""
        return {"sensitive": self.sensitive, "specific": self.specific}

    @property
    def whole_from(self) -> float:
        """The probability from which on a finding on top of this one counts whole: its sensitive point.

        Where this finding is absent, so is what stands on it; where it is seen, its density says no more about what it
        is a sign of. Multiplied all the way, the densest opacities would be the likeliest COVID-19, and are not.
        """
        return max(self.sensitive, _LEAST_WHOLE)


UNSCALED = Scale(Logistic((1.0, 0.0), 0.0), 0.5, 0.5)
UNSCALED_BOXES = Scale(Logistic((1.0,), 0.0), 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that was chosen on validation pictures, by the findings' labels."""

    findings: Mapping[str, Scale] = field(default_factory=dict)
    """Of (margin, best heat logit)."""
    boxes: Mapping[str, Scale] = field(default_factory=dict)
    """Of (heat logit)."""


RAW = Calibration()
"""Nothing calibrated: probabilities are the network's own, and every peak of a heat map is a box."""

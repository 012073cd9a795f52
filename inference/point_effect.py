"""Effect of moving a finding's operating points: results that would change, and what the calls would be worth."""

from collections.abc import Sequence
from dataclasses import dataclass

from inference.evidence import wilson
from inference.findings import OperatingPoints


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of counted cases."""

    cases: int
    of: int

    @property
    def value(self) -> float | None:
        """Return the share, 0 to 1; None of no case."""
        return self.cases / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's 95 % interval; (0, 1) of no case."""
        return wilson(self.cases, self.of)


@dataclass(frozen=True, slots=True)
class CallValue:
    """What calls at a point are worth on images that readers answered about."""

    sensitivity: Proportion
    """Of the images that show the finding, those at or above the point."""
    predictive_value: Proportion
    """Of the images at or above the point, those that show the finding."""


@dataclass(frozen=True, slots=True)
class PointEffect:
    """``changed`` of ``studies`` would have another class of the finding on one of their images."""

    studies: int
    changed: int
    answered: int
    """Images of which readers said whether they show the finding."""
    sensitive: CallValue
    specific: CallValue

    @property
    def per_hundred(self) -> float | None:
        """Return how many results of 100 studies would change; None without a study."""
        return 100 * self.changed / self.studies if self.studies else None


def point_effect(
    studies: Sequence[Sequence[float]],
    answered: Sequence[tuple[float, bool]],
    now: OperatingPoints,
    then: OperatingPoints,
) -> PointEffect:
    """Return what moving the points from ``now`` to ``then`` would have done.

    Parameters
    ----------
    studies
        For each study the scores of the finding on its images, 0 to 1.
    answered
        Score and truth of images that readers answered about; both values are taken at ``then``.
    now, then
        The points in force, and those to be judged.
    """
    changed = sum(any(now.level(score) is not then.level(score) for score in scores) for scores in studies)
    return PointEffect(
        len(studies), changed, len(answered), call_value(answered, then.sensitive), call_value(answered, then.specific)
    )


def call_value(answered: Sequence[tuple[float, bool]], point: float) -> CallValue:
    """Return what calling every image at or above a point is worth."""
    there = [score >= point for score, is_there in answered if is_there]
    called = [is_there for score, is_there in answered if score >= point]
    return CallValue(Proportion(sum(there), len(there)), Proportion(sum(called), len(called)))

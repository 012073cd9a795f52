"""Evidence of a finding's calls, and the rule by which a finding may be stated.

A *call* is a score at or above the specific operating point. A finding is *stated* (words, headline, "present") only
where its calls were shown to hold; every other finding is *scored only*: its score is kept and nothing is said of it.
"""

from dataclasses import dataclass
from math import sqrt

LEAST_PREDICTIVE_VALUE = 0.5
"""Share of calls that must have been right."""
LEAST_CALLS = 20
"""Fewer calls than this show nothing: 10 right of 20 leave a 95 % interval of 0.30 to 0.70."""
MOST_NORMALS = 0.1
"""Share of images that radiologists read as normal on which an abnormal finding may be called."""
MOST_ELSEWHERE = 0.1
"""Share of images of other hospitals that are not known to show the finding on which it may be called."""
_Z = 1.959964
"""The standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some images got a call."""

    calls: int
    images: int

    @property
    def value(self) -> float:
        """Return the share, 0 to 1; of no image it is 0."""
        return self.calls / self.images if self.images else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a finding's calls were worth on images of patients that no network of the package learnt from."""

    point: float
    """The specific operating point at which the calls were counted."""
    images: int
    """Images that radiologists read exhaustively for this finding."""
    positives: int
    """How many of them have it."""
    calls: int
    right: int
    """Calls on images that have it."""
    normals: Share
    """Calls on images that radiologists read as normal."""
    elsewhere: Share
    """Calls on images of hospitals that the package did not learn from, which are not known to show the finding."""
    source: str
    """Whose reads of which images these are."""

    @property
    def predictive_value(self) -> float:
        """Return the share of calls that were right (PPV), 0 to 1; 0 without a call."""
        return self.right / self.calls if self.calls else 0.0

    @property
    def prevalence(self) -> float:
        """Return the share of the read images that have the finding, 0 to 1."""
        return self.positives / self.images if self.images else 0.0

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the predictive value (Wilson 1927); (0, 1) without a call."""
        return wilson(self.right, self.calls)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a proportion (J Am Stat Assoc 22:209, 1927); (0, 1) without a trial."""
    if not trials:
        return 0.0, 1.0
    share = successes / trials
    denominator = 1 + _Z**2 / trials
    middle = (share + _Z**2 / (2 * trials)) / denominator
    half = _Z * sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2)) / denominator
    return max(0.0, middle - half), min(1.0, middle + half)


def may_be_stated(evidence: Evidence | None, specific: float, *, abnormal: bool) -> bool:
    """Tell whether a finding's calls were shown to hold.

    Parameters
    ----------
    evidence
        What the package carries; None where nobody measured.
    specific
        The specific operating point in force. A site that sets a lower one than was measured makes calls of which
        nothing is known.
    abnormal
        False for good news such as "normal": calls on normal images are right then, and ``elsewhere`` counts images
        that are not normal.
    """
    if evidence is None or specific < evidence.point or evidence.calls < LEAST_CALLS:
        return False
    if evidence.predictive_value < LEAST_PREDICTIVE_VALUE or evidence.elsewhere.value > MOST_ELSEWHERE:
        return False
    return not abnormal or evidence.normals.value <= MOST_NORMALS

"""Several images read as one: of each finding the worst news."""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Scored(Protocol):
    """What the rule looks at."""

    @property
    def label(self) -> str:
        """Return the package's key of the finding."""

    @property
    def score(self) -> float:
        """Return the calibrated probability, 0 to 1."""

    @property
    def abnormal(self) -> bool:
        """Tell bad news from good."""


S = TypeVar("S", bound=Scored)


def worst_news(findings: Iterable[S]) -> list[S]:
    """Return one finding of each label: the highest score of bad news, the lowest of good, in the first image's order.

    A study is no more normal than its least normal image.
    """
    worst: dict[str, S] = {}
    for finding in findings:
        known = worst.setdefault(finding.label, finding)
        if finding.score > known.score if finding.abnormal else finding.score < known.score:
            worst[finding.label] = finding
    return list(worst.values())

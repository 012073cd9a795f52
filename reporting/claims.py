"""How findings are read: their order, and what is claimed of each beside the others.

Every document and every screen takes its order, claims and numbers from here, so that none contradicts another:

1. *Stated or scored only.* Only a finding whose calls were shown to hold is stated
   (:mod:`inference.evidence`). Of every other finding there is a score in the data and nothing else: no word, no
   region, no place in the headline.
2. *Order.* Stated abnormal findings at or above a point come first, by level, then by score; then stated good news
   such as "normal"; then the stated findings that were not found; last what is scored only. Ties, and what was not
   found, keep the package's order.
3. *Claim.* A stated abnormal finding claims its level: present, undetermined, not found.
4. *Good news claims no more than the bad news leaves room for.* While a stated abnormal finding of the same image is
   present, good news at or above its sensitive point is neither claimed nor denied; while one is undetermined, good
   news is undetermined at most. Only with no stated finding at or above its sensitive point is it what its own level
   says. Scores are never changed: only what is said of them.
5. *Regions.* A region claims the weaker of its own level and its finding's claim, and its number is never above its
   finding's. A finding that is not claimed marks no region.
6. *Numbers.* A score has one form everywhere, with as many decimals as keep it on its own side of both points.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from inference.findings import Box, Finding, Level
from tracking.results import worst_news


class Scored(worst_news.Scored, Protocol):
    """What the rules look at; the findings of every room have it."""

    @property
    def level(self) -> str:
        """Return the level as :class:`inference.findings.Level` names it."""

    @property
    def stated(self) -> bool:
        """Tell whether words may be made of it."""

    @property
    def marks(self) -> tuple[float, ...]:
        """Return the operating points in force, 0 to 1, the sensitive one first; none where none is on record."""


S = TypeVar("S", bound=Scored)


class Claim(StrEnum):
    """What is said of a finding."""

    PRESENT = "present"
    UNDETERMINED = "undetermined"
    ABSENT = "absent"
    WITHHELD = "withheld"
    """Good news beside a finding that is present: neither claimed nor denied."""
    SCORED_ONLY = "scored-only"
    """Nothing is said, because such calls were not shown to hold."""


@dataclass(frozen=True, slots=True)
class ClaimedFinding(Generic[S]):
    """One finding with what is claimed of it beside the others of its image."""

    finding: S
    claim: Claim
    position: int
    """Its place in the package, from 0: where it stands whatever the scores are."""

    @property
    def stated(self) -> bool:
        """Tell whether words are made of it."""
        return self.claim is not Claim.SCORED_ONLY

    @property
    def claimed(self) -> bool:
        """Tell whether it is said to be there, or that it may be."""
        return self.claim in {Claim.PRESENT, Claim.UNDETERMINED}

    @property
    def found(self) -> bool:
        """Tell whether it is a stated abnormal finding at or above one of its points."""
        return self.finding.abnormal and self.claimed

    @property
    def absent(self) -> bool:
        """Tell whether it is a stated abnormal finding below both points: what stands in one compact place."""
        return self.finding.abnormal and self.claim is Claim.ABSENT


_ORDER = {Level.PRESENT: 0, Level.POSSIBLE: 1, Level.ABSENT: 2}
_CLAIMS = {Level.PRESENT: Claim.PRESENT, Level.POSSIBLE: Claim.UNDETERMINED, Level.ABSENT: Claim.ABSENT}
_MOST_DECIMALS = 6


def claims_of(findings: Sequence[S]) -> list[ClaimedFinding[S]]:
    """Return one image's findings, given in the package's order, in the order and with the claims of the rules."""
    worst = _worst(findings)
    claims = [ClaimedFinding(finding, _claim(finding, worst), position) for position, finding in enumerate(findings)]
    return sorted(claims, key=_rank)


def _rank(entry: ClaimedFinding[S]) -> tuple[int, float, int]:
    if not entry.stated:
        return (4, 0.0, entry.position)
    if not entry.finding.abnormal:
        return (2, -entry.finding.score, entry.position)
    if entry.absent:
        return (3, 0.0, entry.position)
    return (_ORDER[Level(entry.finding.level)], -entry.finding.score, entry.position)


def _worst(findings: Iterable[Scored]) -> Level:
    levels = [Level(finding.level) for finding in findings if finding.abnormal and finding.stated]
    return min(levels, key=_ORDER.__getitem__, default=Level.ABSENT)


def _claim(finding: Scored, worst: Level) -> Claim:
    level = Level(finding.level)
    if not finding.stated:
        return Claim.SCORED_ONLY
    if finding.abnormal or worst is Level.ABSENT or level is Level.ABSENT:
        return _CLAIMS[level]
    return Claim.WITHHELD if worst is Level.PRESENT else Claim.UNDETERMINED


def study_claims(findings: Iterable[S]) -> list[ClaimedFinding[S]]:
    """Read several images as one: of each finding the worst news, so the highest score of bad and the lowest of good.

    A study is no more normal than its least normal image. The package's order is that of the first image.
    """
    return claims_of(worst_news.worst_news(findings))


def stated_of(claims: Iterable[ClaimedFinding[S]]) -> list[ClaimedFinding[S]]:
    """Return the findings of which words are made."""
    return [entry for entry in claims if entry.stated]


def region_claim(entry: ClaimedFinding[Finding], box: Box) -> Claim:
    """Return what is claimed of one of a finding's regions: never more than of the finding."""
    if not entry.claimed or box.level is Level.ABSENT:
        return Claim.ABSENT if entry.claimed else entry.claim
    return Claim.UNDETERMINED if entry.claim is Claim.UNDETERMINED else _CLAIMS[box.level]


def regions_of(entry: ClaimedFinding[Finding]) -> tuple[Box, ...]:
    """Return the regions at or above a point of a finding that is claimed, in the package's order."""
    claimed = {Claim.PRESENT, Claim.UNDETERMINED}
    return tuple(box for box in entry.finding.boxes if region_claim(entry, box) in claimed)


def shown_regions(entry: ClaimedFinding[Finding]) -> list[Box]:
    """Return the regions of :func:`regions_of`, the likeliest first."""
    return sorted(regions_of(entry), key=lambda box: -box.score)


def mapped_of(findings: Sequence[Finding]) -> list[ClaimedFinding[Finding]]:
    """Return one image's findings that have a score map to show: those that are claimed, in the order of the rules."""
    return [entry for entry in claims_of(findings) if entry.claimed and entry.finding.map is not None]


def percentages(finding: Scored) -> tuple[str, ...]:
    """Return score and operating points in percent for people, with as few decimals as say the same as the numbers.

    A score below a point is shown below it: 35.8 and 36.2, where whole numbers would make both of them 36. Nothing
    between 0 and 1 is rounded to 0 or 100.
    """
    numbers = (finding.score, *finding.marks)
    shown: list[float] = []
    for decimals in range(_MOST_DECIMALS + 1):
        shown = [_rounded(number, decimals) for number in numbers]
        truth = [number <= finding.score for number in finding.marks]
        if truth == [number <= shown[0] for number in shown[1:]]:
            return tuple(f"{number:.{decimals}f}" for number in shown)
    return tuple(f"{number:.{_MOST_DECIMALS}f}" for number in shown)


def _rounded(value: float, decimals: int) -> float:
    rounded: float = round(100 * value, decimals)
    step = 10.0**-decimals
    return min(max(rounded, step), 100 - step) if 0 < value < 1 else rounded


def percent(finding: Scored) -> str:
    """Return a score in percent for people; see :func:`percentages`."""
    return percentages(finding)[0]


def number(finding: Scored) -> float:
    """Return a score in percent as data: of a stated finding the very number that people see, else one decimal."""
    return float(percent(finding)) if finding.stated else round(100 * finding.score, 1)


def region_number(entry: ClaimedFinding[Finding], box: Box) -> float:
    """Return a region's score in percent as data, at most its finding's number."""
    return min(round(100 * box.score, 1), number(entry.finding))


def listed(claims: Sequence[ClaimedFinding[S]]) -> list[ClaimedFinding[S]]:
    """Return what a list of many studies shows: what is claimed, else the good news that is denied."""
    return [entry for entry in claims if entry.claimed] or [
        entry for entry in claims if entry.stated and not entry.finding.abnormal
    ]

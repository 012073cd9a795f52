"""How findings are read: their order, what is claimed of each beside the others, and the words for it.

Every document and every screen takes its order and its claims from here, so that none contradicts another:

1. *Order.* Abnormal findings at or above a point come first, by level, then by score; then good news such as
   "normal"; then the abnormal findings that were not found. Ties, and what was not found, keep the package's order.
2. *Claim.* An abnormal finding claims its level: present, possible, not found.
3. *Good news claims no more than the bad news leaves room for.* While an abnormal finding of the same picture is
   present, good news at or above its sensitive point is neither claimed nor denied; while one is possible, good news
   is possible at most. Only with no abnormal finding at or above its sensitive point is it what its own level says.
   Scores are never changed: only what is said of them.
4. *Regions.* A region claims its own level under the same cap; a finding that is not claimed marks none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from inference.findings import Box, Finding, Level


class Scored(Protocol):
    """What the rules look at; the findings of every room have it."""

    @property
    def label(self) -> str:
        """Return the package's key of the finding."""

    @property
    def score(self) -> float:
        """Return the calibrated probability, 0 to 1."""

    @property
    def level(self) -> str:
        """Return the level as :class:`inference.findings.Level` names it."""

    @property
    def abnormal(self) -> bool:
        """Tell bad news from good."""


S = TypeVar("S", bound=Scored)


class Claim(StrEnum):
    """What is said of a finding."""

    PRESENT = "present"
    POSSIBLE = "possible"
    ABSENT = "absent"
    WITHHELD = "withheld"
    """Good news beside a finding that is present: neither claimed nor denied."""


@dataclass(frozen=True, slots=True)
class Read(Generic[S]):
    """One finding as it is read beside the others of its picture."""

    finding: S
    claim: Claim
    position: int
    """Its place in the package, from 0: where it stands whatever the scores are."""

    @property
    def found(self) -> bool:
        """Tell whether it is an abnormal finding at or above one of its points."""
        return self.finding.abnormal and self.claim is not Claim.ABSENT

    @property
    def absent(self) -> bool:
        """Tell whether it is an abnormal finding below both points: what stands in one compact place."""
        return self.finding.abnormal and self.claim is Claim.ABSENT


_ORDER = {Level.PRESENT: 0, Level.POSSIBLE: 1, Level.ABSENT: 2}
_CLAIMS = {Level.PRESENT: Claim.PRESENT, Level.POSSIBLE: Claim.POSSIBLE, Level.ABSENT: Claim.ABSENT}
_WORDS = {Claim.PRESENT: "present", Claim.POSSIBLE: "possible", Claim.ABSENT: "not found"}
_GOOD_WORDS = {
    Claim.PRESENT: "likely", Claim.POSSIBLE: "possible", Claim.ABSENT: "unlikely", Claim.WITHHELD: "not stated"
}  # fmt: skip
NOTHING_FOUND = "No finding above threshold"


def read(findings: Sequence[S]) -> list[Read[S]]:
    """Return one picture's findings, given in the package's order, in the order and with the claims of the rules."""
    worst = _worst(findings)
    reads = [
        Read(finding, _claim(Level(finding.level), abnormal=finding.abnormal, worst=worst), position)
        for position, finding in enumerate(findings)
    ]
    return sorted(reads, key=_rank)


def _rank(one: Read[S]) -> tuple[int, float, int]:
    if not one.finding.abnormal:
        return (2, -one.finding.score, one.position)
    if one.absent:
        return (3, 0.0, one.position)
    return (_ORDER[Level(one.finding.level)], -one.finding.score, one.position)


def _worst(findings: Iterable[Scored]) -> Level:
    levels = [Level(finding.level) for finding in findings if finding.abnormal]
    return min(levels, key=_ORDER.__getitem__, default=Level.ABSENT)


def _claim(level: Level, *, abnormal: bool, worst: Level) -> Claim:
    if abnormal or worst is Level.ABSENT or level is Level.ABSENT:
        return _CLAIMS[level]
    return Claim.WITHHELD if worst is Level.PRESENT else Claim.POSSIBLE


def of_study(findings: Iterable[S]) -> list[Read[S]]:
    """Read several pictures as one: of each finding the worst news, so the highest score of bad and the lowest of good.

    A study is no more normal than its least normal picture. The package's order is that of the first picture.
    """
    worst: dict[str, S] = {}
    for finding in findings:
        known = worst.setdefault(finding.label, finding)
        if finding.score > known.score if finding.abnormal else finding.score < known.score:
            worst[finding.label] = finding
    return read(list(worst.values()))


def telling(reads: Sequence[Read[S]]) -> list[Read[S]]:
    """Return what a list of many studies shows: what was found and good news that is claimed, else good news denied."""
    claimed = [one for one in reads if one.claim in {Claim.PRESENT, Claim.POSSIBLE}]
    return claimed or [one for one in reads if not one.finding.abnormal]


def box_claim(one: Read[Finding], box: Box) -> Claim:
    """Return what is claimed of one of a finding's regions."""
    if one.claim in {Claim.WITHHELD, Claim.ABSENT}:
        return one.claim
    if one.claim is Claim.POSSIBLE and not one.finding.abnormal and box.level is Level.PRESENT:
        return Claim.POSSIBLE
    return _CLAIMS[box.level]


def marked(one: Read[Finding]) -> list[Box]:
    """Return the regions to show, likeliest first: those at or above a point of a finding that is claimed."""
    shown = [box for box in one.finding.boxes if box_claim(one, box) in {Claim.PRESENT, Claim.POSSIBLE}]
    return sorted(shown, key=lambda box: -box.score)


def claim_words(claim: Claim, *, abnormal: bool) -> str:
    """Return a claim in words; good news is likely or unlikely rather than present or not found."""
    return (_WORDS if abnormal else _GOOD_WORDS)[claim]


def headline(reads: Iterable[Read[S]]) -> str:
    """Return how many abnormal findings are present and possible, such as ``2 findings present, 1 possible``."""
    claims = [one.claim for one in reads if one.found]
    present, possible = claims.count(Claim.PRESENT), claims.count(Claim.POSSIBLE)
    if not claims:
        return NOTHING_FOUND
    if not present:
        return f"{possible} possible finding{'s' if possible > 1 else ''}"
    words = f"{present} finding{'s' if present > 1 else ''} present"
    return f"{words}, {possible} possible" if possible else words


def sentence(one: Read[Finding]) -> str:
    """Return one finding in words, such as ``Lung opacity: present (91 %), 2 regions marked``, and its note."""
    finding = one.finding
    words = claim_words(one.claim, abnormal=finding.abnormal)
    regions = len(marked(one))
    text = f"{finding.code.meaning}: {words} ({percent(finding.score)} %)"
    if one.claim is Claim.WITHHELD:
        text = f"{finding.code.meaning}: {words} beside a finding that is present (score {percent(finding.score)} %)"
    if regions:
        text += f", {regions} region{'s' if regions > 1 else ''} marked"
    return f"{text}. {note(one)}" if note(one) else text


def note(one: Read[Finding]) -> str:
    """Return the finding's note without its full stop where the finding is claimed, else nothing."""
    return one.finding.note.strip().rstrip(".") if one.claim in {Claim.PRESENT, Claim.POSSIBLE} else ""


def summary(findings: Sequence[Finding]) -> list[str]:
    """Return one picture's findings in as few lines as can be read in seconds, without full stops.

    First each finding that is claimed, a line each; then good news; then all that was not found, in one line.
    """
    reads = read(findings)
    lines = [] if any(one.found for one in reads) else [NOTHING_FOUND]
    lines += [sentence(one) for one in reads if not one.absent]
    quiet = [f"{one.finding.code.meaning} ({percent(one.finding.score)} %)" for one in reads if one.absent]
    return [*lines, f"Not found: {', '.join(quiet)}"] if quiet else lines


def percent(score: float) -> str:
    """Return a probability as a percentage for people, never rounded up to certainty."""
    value = round(score * 100)
    return f"{min(max(value, 1), 99)}" if 0 < score < 1 else f"{value}"

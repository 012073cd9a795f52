"""How findings are read: their order, what is claimed of each beside the others, and the words for it.

Every document and every screen takes its order, claims, numbers and words from here, so that none contradicts another:

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

from inference.findings import Box, Finding, Level, MapKind, ScoreMap
from tracking import worst_news


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
_WORDS = {Claim.PRESENT: "present", Claim.UNDETERMINED: "undetermined", Claim.ABSENT: "not found",
          Claim.WITHHELD: "not stated", Claim.SCORED_ONLY: "scored only"}  # fmt: skip
_GOOD_WORDS = {**_WORDS, Claim.PRESENT: "likely", Claim.ABSENT: "unlikely"}
_MAP_WORDS = {
    MapKind.HEAT: "The stronger the colour, the likelier the model's detector finds the middle of such a region there",
}
_MOST_NAMED = 3
_MOST_DECIMALS = 6

DISCLAIMER = "AI result, not verified by a radiologist, research use only"
"""How every headline begins: what it is."""
NOTHING_STATED = "no finding is stated"
"""Of an image on which the package scores findings but may state none."""
SCORED_ONLY = "Nothing is said of any other finding"
"""Stands in every text on an image some of whose findings are scored only."""


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


def map_words(score_map: ScoreMap) -> tuple[str, ...]:
    """Return what a score map is and how well such maps point, sentences without their full stops."""
    pointing = score_map.pointing
    if pointing is None:
        return (_MAP_WORDS[score_map.kind],)
    right, constant = (f"{100 * share:.0f}\N{NO-BREAK SPACE}%" for share in (pointing.right, pointing.constant))
    measured = (
        f"The strongest place lay inside a radiologist's box on {right} of {pointing.images} images, "
        f"the best constant point on {constant}"
    )
    return _MAP_WORDS[score_map.kind], measured


def claim_words(claim: Claim, *, abnormal: bool) -> str:
    """Return a claim in words; good news is likely or unlikely rather than present or not found."""
    return (_WORDS if abnormal else _GOOD_WORDS)[claim]


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


def right_calls(right: int, calls: int) -> str:
    """Return how often such calls were right, such as ``7 of 10 such calls were right``; never rounded up."""
    return f"{10 * right // calls} of 10 such calls were right" if calls else ""


def right_words(entry: ClaimedFinding[Finding]) -> str:
    """Return how often calls like this one were right; empty where none is made or nobody measured."""
    evidence = entry.finding.evidence
    return "" if evidence is None or entry.claim is not Claim.PRESENT else right_calls(evidence.right, evidence.calls)


def gist(claims: Sequence[ClaimedFinding[S]], names: Sequence[str]) -> str:
    """Return what is stated in one phrase without a full stop, such as ``Opacity present; Effusion undetermined``.

    Parameters
    ----------
    claims
        An image's or a study's findings with their claims.
    names
        What each of them is called, in the same order.
    """
    called = list(zip(claims, names, strict=True))
    stated = [(entry, name) for entry, name in called if entry.stated]
    if not stated:
        return NOTHING_STATED
    parts = []
    for claim in (Claim.PRESENT, Claim.UNDETERMINED):
        found = [name for entry, name in stated if entry.found and entry.claim is claim]
        parts += [f"{_few(found)} {claim_words(claim, abnormal=True)}"] if found else []
    absent = [name for entry, name in stated if entry.absent]
    if not parts and absent:
        parts.append(f"{_few(absent)} not found")
    good = [name for entry, name in stated if not entry.finding.abnormal and entry.claim is Claim.PRESENT]
    parts += [f"{name} {claim_words(Claim.PRESENT, abnormal=False)}" for name in good]
    return "; ".join(parts) or NOTHING_STATED


def capitalised(phrase: str) -> str:
    """Return a phrase as the beginning of a sentence."""
    return f"{phrase[:1].upper()}{phrase[1:]}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} findings"


def listed(claims: Sequence[ClaimedFinding[S]]) -> list[ClaimedFinding[S]]:
    """Return what a list of many studies shows: what is claimed, else the good news that is denied."""
    return [entry for entry in claims if entry.claimed] or [
        entry for entry in claims if entry.stated and not entry.finding.abnormal
    ]


def headline(claims: Sequence[ClaimedFinding[Finding]]) -> str:
    """Return the one headline of a study: what it is, then what is stated, without a full stop."""
    return f"{DISCLAIMER}: {gist(claims, [entry.finding.code.meaning for entry in claims])}"


def sentence(entry: ClaimedFinding[Finding]) -> str:
    """Return one stated finding in words: claim, number, regions, how often such calls were right, and its note."""
    finding = entry.finding
    words = claim_words(entry.claim, abnormal=finding.abnormal)
    if entry.claim is Claim.WITHHELD:
        return f"{finding.code.meaning}: {words} beside a finding that is present"
    if not entry.claimed:
        return f"{finding.code.meaning}: {words}"
    text = f"{finding.code.meaning}: {words} ({percent(finding)} %)"
    regions = len(shown_regions(entry))
    if regions:
        text += f", {regions} region{'s' if regions > 1 else ''} marked"
    if right_words(entry):
        text += f"; {right_words(entry)}"
    return f"{text}. {note(entry)}" if note(entry) else text


def note(entry: ClaimedFinding[Finding]) -> str:
    """Return the finding's note without its full stop where the finding is claimed, else nothing."""
    return entry.finding.note.strip().rstrip(".") if entry.claimed else ""


def summary(findings: Sequence[Finding]) -> list[str]:
    """Return one image's findings in as few lines as can be read in seconds, without full stops.

    First each finding that is claimed, a line each; then good news; then all that was not found, in one line; last,
    that nothing is said of what is scored only.
    """
    claims = claims_of(findings)
    lines = [sentence(entry) for entry in claims if entry.stated and not entry.absent]
    absent = [entry.finding.code.meaning for entry in claims if entry.absent]
    lines += [f"Not found: {', '.join(absent)}"] if absent else []
    if all(entry.stated for entry in claims):
        return lines
    return [*lines, SCORED_ONLY if lines else capitalised(NOTHING_STATED)]

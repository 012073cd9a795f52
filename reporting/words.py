"""The words of what is claimed: of a finding, of an image, and the headline of a study.

They are written by rule from :mod:`reporting.claims`: the same findings give the same words in every document.
"""

from collections.abc import Sequence

from inference.findings import Finding, MapKind, ScoreMap
from reporting.claims import Claim, ClaimedFinding, S, claims_of, percent, shown_regions

_WORDS = {Claim.PRESENT: "present", Claim.UNDETERMINED: "undetermined", Claim.ABSENT: "not found",
          Claim.WITHHELD: "not stated", Claim.SCORED_ONLY: "scored only"}  # fmt: skip
_GOOD_WORDS = {**_WORDS, Claim.PRESENT: "likely", Claim.ABSENT: "unlikely"}
_MAP_WORDS = {
    MapKind.HEAT: "The stronger the colour, the likelier the model's detector finds the middle of such a region there",
}
_MOST_NAMED = 3

DISCLAIMER = "AI result, not verified by a radiologist, research use only"
"""How every headline begins: what it is."""
NOTHING_STATED = "no finding is stated"
"""Of an image on which the package scores findings but may state none."""
SCORED_ONLY = "Nothing is said of any other finding"
"""Stands in every text on an image some of whose findings are scored only."""


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

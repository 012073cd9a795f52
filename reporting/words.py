"""The words of what is claimed: of a finding, of an image, and the headline of a study.

They are written by rule from :mod:`reporting.claims`: the same findings give the same words in every document, in the
language in force (:mod:`config.language.translation`).
"""

from collections.abc import Callable, Sequence
from itertools import zip_longest

from config.language.numbers import decimal
from config.language.translation import gettext as _
from config.language.translation import marked, ngettext
from inference.findings import Finding, MapKind, ScoreMap
from reporting.claims import Claim, ClaimedFinding, S, claims_of, percent, shown_regions

_WORDS = {
    Claim.PRESENT: marked("present"), Claim.UNDETERMINED: marked("undetermined"), Claim.ABSENT: marked("not found"),
    Claim.WITHHELD: marked("not stated"), Claim.SCORED_ONLY: marked("scored only"),
}  # fmt: skip
_GOOD_WORDS = {**_WORDS, Claim.PRESENT: marked("likely"), Claim.ABSENT: marked("unlikely")}
_MAP_WORDS = {
    MapKind.HEAT: marked(
        "The stronger the colour, the likelier the model's detector finds the middle of such a region there"
    ),
}
_MOST_NAMED = 3

DISCLAIMER = marked("AI result, not verified by a radiologist, research use only")
"""How every headline begins: what it is."""
NOT_ANALYSED = marked("no image was analysed")
"""Of a study of which every image was refused."""
NOTHING_STATED = marked("no finding is stated")
"""Of an image on which the package scores findings but may state none."""
SCORED_ONLY = marked("Nothing is said of any other finding")
"""Stands in every text on an image some of whose findings are scored only."""


def map_words(score_map: ScoreMap) -> tuple[str, ...]:
    """Return what a score map is and how well such maps point, sentences without their full stops."""
    pointing = score_map.pointing
    if pointing is None:
        return (_(_MAP_WORDS[score_map.kind]),)
    right, constant = (f"{100 * share:.0f}" for share in (pointing.right, pointing.constant))
    measured = _(
        "The strongest place lay inside a radiologist's box on %(right)s\N{NO-BREAK SPACE}%% of %(images)s images, "
        "the best constant point on %(constant)s\N{NO-BREAK SPACE}%%"
    )
    return _(_MAP_WORDS[score_map.kind]), measured % {"right": right, "images": pointing.images, "constant": constant}


def finding_name(finding: Finding) -> str:
    """Return what a finding is called: the meaning of its code; a name that no catalogue has as the package has it."""
    return _(finding.code.meaning)


def score_words(finding: Finding) -> str:
    """Return a finding's score with its percent sign."""
    return _("%(score)s %%") % {"score": decimal(percent(finding))}


def claim_words(claim: Claim, *, abnormal: bool) -> str:
    """Return a claim in words; good news is likely or unlikely rather than present or not found."""
    return _((_WORDS if abnormal else _GOOD_WORDS)[claim])


def right_calls(right: int, calls: int) -> str:
    """Return how often such calls were right, such as ``7 of 10 such calls were right``; never rounded up."""
    return _("%(right)s of 10 such calls were right") % {"right": 10 * right // calls} if calls else ""


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
        return _(NOTHING_STATED)
    parts = []
    for claim in (Claim.PRESENT, Claim.UNDETERMINED):
        found = [name for entry, name in stated if entry.found and entry.claim is claim]
        parts += [_said(_few(found), claim_words(claim, abnormal=True))] if found else []
    absent = [name for entry, name in stated if entry.absent]
    if not parts and absent:
        parts.append(_said(_few(absent), claim_words(Claim.ABSENT, abnormal=True)))
    good = [name for entry, name in stated if not entry.finding.abnormal and entry.claim is Claim.PRESENT]
    parts += [_said(name, claim_words(Claim.PRESENT, abnormal=False)) for name in good]
    return "; ".join(parts) or _(NOTHING_STATED)


def _said(name: str, claim: str) -> str:
    """Return a finding's name with its claim; a translation may part them, as ``Opacity: present``."""
    return _("%(finding)s %(claim)s") % {"finding": name, "claim": claim}


def capitalised(phrase: str) -> str:
    """Return a phrase as the beginning of a sentence."""
    return f"{phrase[:1].upper()}{phrase[1:]}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMED else _("%(count)s findings") % {"count": len(names)}


def headline(claims: Sequence[ClaimedFinding[Finding]], places: Sequence[str] = ()) -> str:
    """Return the one headline of a study: what it is, then what is stated, without a full stop.

    ``places`` say of each finding where it lies (:func:`reporting.zones.finding_place`), empty where nothing is said.
    """
    names = [finding_name(entry.finding) for entry in claims]
    stated = gist(claims, [f"{name} ({place})" if place else name for name, place in zip_longest(names, places)])
    return _("%(disclaimer)s: %(findings)s") % {"disclaimer": _(DISCLAIMER), "findings": stated}


def headline_not_analysed() -> str:
    """Return the headline of a study of which no image was analysed, without a full stop."""
    return _("%(disclaimer)s: %(findings)s") % {"disclaimer": _(DISCLAIMER), "findings": _(NOT_ANALYSED)}


def sentence(entry: ClaimedFinding[Finding], place: str = "") -> str:
    """Return one stated finding in words: claim, number, regions, how often such calls were right, and its note.

    ``place`` says where its regions lie (:func:`reporting.zones.finding_place`).
    """
    finding = entry.finding
    words = claim_words(entry.claim, abnormal=finding.abnormal)
    name = finding_name(finding)
    if entry.claim is Claim.WITHHELD:
        return _("%(finding)s: not stated beside a finding that is present") % {"finding": name}
    text = _("%(finding)s: %(words)s") % {"finding": name, "words": words}
    if not entry.claimed:
        return text
    text += f" ({score_words(finding)})"
    regions = len(shown_regions(entry))
    if regions:
        text += ", " + ngettext("%(num)s region marked", "%(num)s regions marked", regions) % {"num": regions}
        text += f" ({place})" if place else ""
    if right_words(entry):
        text += f"; {right_words(entry)}"
    return f"{text}. {note(entry)}" if note(entry) else text


def note(entry: ClaimedFinding[Finding]) -> str:
    """Return the finding's note without its full stop where the finding is claimed, else nothing."""
    return _(entry.finding.note).strip().rstrip(".") if entry.claimed else ""


def summary(
    findings: Sequence[Finding], place_of: Callable[[ClaimedFinding[Finding]], str] = lambda _: ""
) -> list[str]:
    """Return one image's findings in as few lines as can be read in seconds, without full stops.

    First each finding that is claimed, a line each; then good news; then all that was not found, in one line; last,
    that nothing is said of what is scored only.
    """
    claims = claims_of(findings)
    lines = [sentence(entry, place_of(entry)) for entry in claims if entry.stated and not entry.absent]
    absent = [finding_name(entry.finding) for entry in claims if entry.absent]
    lines += [_("Not found: %(findings)s") % {"findings": ", ".join(absent)}] if absent else []
    if all(entry.stated for entry in claims):
        return lines
    return [*lines, _(SCORED_ONLY) if lines else capitalised(_(NOTHING_STATED))]

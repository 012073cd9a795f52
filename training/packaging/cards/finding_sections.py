"""What a card says of each finding: what it means, whether it may be stated, whether its own answer is used."""

from collections.abc import Sequence

from inference.evidence import Share, may_be_stated
from inference.manifest import AnyManifest, Manifest
from training.evaluation.markdown import table
from training.recipe.catalogue import CATALOGUE


def findings_section(manifest: AnyManifest, networks: Sequence[Manifest]) -> str:
    """Return a line for each finding: its meaning, boxes, note, and in how many networks it is switched off."""
    lines = []
    for finding in manifest.findings:
        entry = CATALOGUE.get(finding.label)
        meaning = entry.sentence if entry else f"The probability of {finding.code.meaning.lower()}."
        title = entry.title if entry else finding.code.meaning
        boxes = " With boxes." if finding.boxes else ""
        note = f" {finding.note}" if finding.note else ""
        lines.append(f"- **{title}**: {meaning}{boxes}{note}{_switched_off(finding.label, networks)}")
    return "\n".join(lines)


def stated_section(manifest: AnyManifest) -> str:
    """Return which findings may be stated, and by which counts; see :mod:`inference.evidence`."""
    lines = [
        "A finding is stated only where at least half of its calls at the specific point were right; every other one "
        "is scored only: its score is kept and nothing is said of it."
    ]
    measured = [(finding, finding.evidence.evidence()) for finding in manifest.findings if finding.evidence]
    if not measured:
        return lines[0] + " Nobody has measured this package's calls, so no finding is stated."
    rows = []
    for finding, evidence in measured:
        low, high = evidence.interval()
        stated = may_be_stated(evidence, finding.points.specific, abnormal=finding.abnormal)
        rows.append((
            CATALOGUE[finding.label].title if finding.label in CATALOGUE else finding.code.meaning,
            "stated" if stated else "scored only",
            f"{evidence.right} / {evidence.calls}",
            f"{evidence.predictive_value:.2f} [{low:.2f}–{high:.2f}]" if evidence.calls else "–",
            f"{evidence.prevalence:.2f}",
            _share(evidence.normals),
            _share(evidence.elsewhere),
            evidence.source,
        ))  # fmt: skip
    header = ("finding", "", "calls right / calls", "share right [95 %]", "prevalence", "called of normals",
              "called elsewhere, where it is not known to be", "source")  # fmt: skip
    unread = [finding for finding in manifest.findings if not finding.evidence]
    names = ", ".join(CATALOGUE[f.label].title if f.label in CATALOGUE else f.code.meaning for f in unread)
    lines.append(table(header, rows))
    lines += [f"Scored only, as no radiologists' reads of it are at hand: {names}."] if unread else []
    return "\n\n".join(lines)


def _share(share: Share) -> str:
    return f"{share.calls} / {share.images} ({share.value:.3f})"


def _switched_off(label: str, networks: Sequence[Manifest]) -> str:
    """Say in how many networks a finding's own answer was switched off; nothing where it was in none."""
    specs = [network.finding(label) for network in networks]
    off = [spec for spec in specs if not spec.calibration.class_ and not spec.calibration.heat]
    if not off:
        return ""
    who = (
        "the network's own answer" if len(specs) == 1 else f"the own answer of {len(off)} of the {len(specs)} networks"
    )
    given = CATALOGUE.get(off[0].given or "")
    base = off[0].given and (given.title if given else off[0].given.replace("_", " "))
    left = (
        "what is left is how often it stood on the validation pictures"
        + (f", and how likely {base[0].lower()}{base[1:]} is" if base else ", the same number for every picture")
    )  # fmt: skip
    return f" **Switched off:** {who} ranked the validation pictures the wrong way round and is not used; {left}."

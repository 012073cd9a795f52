"""The known failures and limits in a card: those of all packages, and those of the findings that it reports."""

from inference.manifest import AnyManifest
from training.evaluation.markdown import Figures, at

_NEW_PLACE = (
    "Results at a new hospital, with its devices, processing and patients, are unknown until they are measured there: "
    "most pictures are of one hospital (NIH Clinical Center), and what a device or its processing changes was not "
    "measured."
)
_ADULTS = (
    "Children, lateral views and anything but a frontal chest radiograph of an adult were never shown to it; a node "
    "does not pass them on where their headers say so, and headers err."
)
_NOT_ONLY_ADULTS = (
    "Its pictures are not only frontal ones of adults; how it does on children and on lateral views was not measured "
    "apart. A node passes neither on where their headers say so, and headers err."
)
_PREVALENCE = (
    "Probabilities are calibrated for the shares in the data set, which are higher than in most departments. Set "
    "operating points for your own site before relying on any of them, in research too."
)
_BEDSIDE = (
    "Bedside (AP) pictures hold far more disease than upright (PA) ones, so part of what the model knows is the view. "
    "At one threshold, sensitivity and specificity differ between views: see the subgroups."
)
_BY_LABEL = {
    "lung_opacity": '"Lung opacity" means what the challenge\'s readers boxed: opacities suspicious for pneumonia. A '
    'nodule, a mass, an effusion or oedema without such an opacity was read as "not normal", not as opacity, and the '
    "model follows that. Faint, small and retrocardiac opacities are missed most often.",
    "covid19": "COVID-19 pictures come from another source than most others (borders, letters, arrows, contrast), so "
    "a model can learn the source instead of the disease. Only figures within one source, or at a place kept apart, "
    "count. A radiograph cannot show an infection: the score is a pattern, never a test.",
    "pneumothorax": "Many reported pneumothoraces were treated already: the model may see the drain rather than the "
    "pneumothorax.",
}
_MINED = (
    "The conditions' labels were mined from reports by machine and are noisy, in training and in the figures: "
    "agreement with them is bounded by their errors, and a condition that a report did not name counts as absent."
)
_BOXES = (
    "Skin folds, breast shadows, scapulae and markers draw false boxes. Two boxes of one opacity may be drawn as one, "
    "and one as two; box edges are rough."
)


def limits_section(manifest: AnyManifest, figures: Figures) -> str:
    """Return the limits that hold for all packages, and those of the findings of this one."""
    labels = [finding.label for finding in manifest.findings]
    test = figures["test"]["findings"]
    unread = [
        label for label in labels
        if at(test, label, "subgroups", "read by radiologists") is None and _read(figures, label) == 0
    ]  # fmt: skip
    adults = _ADULTS if (at(figures, "recipe", "data") or {}).get("frontal_adults", True) else _NOT_ONLY_ADULTS
    lines = [_NEW_PLACE, adults, _PREVALENCE, _BEDSIDE]
    lines += [_BY_LABEL[label] for label in labels if label in _BY_LABEL]
    if [label for label in unread if label not in ("covid19", "covid19_negative")]:
        lines.append(_MINED)
    if any(finding.boxes for finding in manifest.findings):
        lines.append(_BOXES)
    lines.append("Research use only: not a medical device; not for diagnosis, treatment or triage of patients.")
    return "\n".join(f"- {line}" for line in lines)


def _read(figures: Figures, label: str) -> int:
    return int(at(figures, "protocol", "parts", "test", "labels", label, "read") or 0)

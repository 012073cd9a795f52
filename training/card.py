"""The model card, written from a package's figures and manifest: no number in it is typed by hand."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from inference.evidence import Share, may_be_stated
from inference.manifest import AnyManifest, Manifest
from inference.package import CARD, FIGURES
from training.catalogue import CATALOGUE
from training.tables import FINDING_HEADER, at, finding_rows, headline_rows, shown, table

Figures = Mapping[str, Any]

_SOURCES = {
    "nih": "**NIH ChestX-ray14** (Wang et al. 2017, CVPR), provided by the NIH Clinical Center, free to "
    "use with attribution: <https://nihcc.app.box.com/v/ChestXray-NIHCC>. Labels mined from reports by machine.",
    "rsna": "**RSNA Pneumonia Detection Challenge 2018** (Shih et al. 2019, Radiology: Artificial Intelligence 1(1)): "
    "classes and boxes by radiologists on NIH pictures, under the terms of the challenge.",
    "ieee8023": "**COVID-19 Image Data Collection** (Cohen et al. 2020, arXiv:2006.11988): pictures gathered from "
    "publications and hospitals; the licence of each picture is its own.",
}  # fmt: skip
_BACKBONE = (
    "**MobileNetV2 1.0** weights learnt from ImageNet (Apache-2.0), dequantised from the full-integer TFLite file."
)
_GROUPS = ("view PA", "view AP", "women", "men", "age 18 to 39", "age 40 to 59", "age 60 and over")

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
_NON_COMMERCIAL = (
    "Some of these licences (NC) allow no commercial use of the pictures; whether that reaches weights fitted on them "
    "is an open question of law."
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


def described(manifest: AnyManifest, figures: Figures, members: Sequence[Manifest] = ()) -> dict[str, bytes]:
    """Return the two files of a package that people and ``evaluate`` read: its figures, and :func:`card` from them."""
    text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return {FIGURES: text.encode(), CARD: card(manifest, figures, members).encode()}


def card(manifest: AnyManifest, figures: Figures, members: Sequence[Manifest] = ()) -> str:
    """Return ``card.md`` for a package.

    Parameters
    ----------
    manifest
        What the package says of itself.
    figures
        Its ``figures.json``, format 2: ``protocol``, ``recipe``, ``test`` (what
        :func:`training.evaluation.figures.figures` returned), and if there is one ``dicom_check``.
    members
        What an ensemble's networks say of themselves.
    """
    quick = "\n> **A quick run, to see that everything works. Not a model to use.**\n" if _is_quick(figures) else ""
    parts = [
        f"# {manifest.name} {manifest.version}\n\n{manifest.title}.\n{quick}\n{manifest.summary.strip()}",
        f"**Intended use.** {manifest.intended_use}",
        "## Findings\n\n" + _findings(manifest, members or ((manifest,) if isinstance(manifest, Manifest) else ())),
        "## What may be stated\n\n" + _stated(manifest),
        "## Figures\n\n" + _figures(figures),
        "## Subgroups\n\n" + _subgroups(figures),
        "## Protocol\n\n" + _protocol(figures),
        "## Data and licences\n\n" + _data(manifest, figures),
        "## Known failures and limits\n\n" + _failures(manifest, figures),
    ]
    return "\n\n".join(parts) + "\n"


def _is_quick(figures: Figures) -> bool:
    return bool(figures["protocol"]["quick"])


def _findings(manifest: AnyManifest, networks: Sequence[Manifest]) -> str:
    lines = []
    for finding in manifest.findings:
        entry = CATALOGUE.get(finding.label)
        said = entry.sentence if entry else f"The probability of {finding.code.meaning.lower()}."
        title = entry.title if entry else finding.code.meaning
        boxes = " With boxes." if finding.boxes else ""
        note = f" {finding.note}" if finding.note else ""
        lines.append(f"- **{title}**: {said}{boxes}{note}{_switched_off(finding.label, networks)}")
    return "\n".join(lines)


def _stated(manifest: AnyManifest) -> str:
    """Say which findings may be stated, and by which counts; see :mod:`inference.evidence`."""
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
    known = CATALOGUE.get(off[0].given or "")
    base = off[0].given and (known.title if known else off[0].given.replace("_", " "))
    left = (
        "what is left is how often it stood on the validation pictures"
        + (f", and how likely {base[0].lower()}{base[1:]} is" if base else ", the same number for every picture")
    )  # fmt: skip
    return f" **Switched off:** {who} ranked the validation pictures the wrong way round and is not used; {left}."


def _figures(figures: Figures) -> str:
    test, part = figures["test"], figures["protocol"]["parts"]["test"]
    sections = [
        f"Measured on {_folds(part)}: {test['patients']} patients with {test['pictures']} pictures that were neither "
        "fitted nor chosen on, with the very files of this package, through the code that serves. In brackets: "
        f"{test['intervals']}.",
        table(("figure", "value"), headline_rows(test)) if headline_rows(test) else "",
        table(FINDING_HEADER, finding_rows(test)),
        "### Operating points\n\nChosen on the validation pictures; measured on the test pictures, each finding "
        "against all pictures known not to have it.\n\n" + _points(test),
        *(_boxes(one) for one in test["boxes"].values()),
        *(_classes(name, one) for name, one in test["classes"].items()),
        _apart(test),
        _dicom(figures),
    ]
    return "\n\n".join(section for section in sections if section)


def _points(test: Figures) -> str:
    rows = [
        (part["title"], name, f"{point['threshold']:.3f}",
         *(shown(point[figure], 2) for figure in ("sensitivity", "specificity", "precision")))
        for part in test["findings"].values()
        for name, point in part["points"].items()
    ]  # fmt: skip
    return table(("finding", "point", "threshold", "sensitivity", "specificity", "precision"), rows)


def _boxes(part: Figures) -> str:
    points = table(
        ("point", "threshold", "true boxes found", "boxes that are true", "false boxes a picture"),
        [
            (name, f"{point['threshold']:.3f}",
             *(shown(point[figure], 2) for figure in ("found", "precision", "false_a_picture")))
            for name, point in part["points"].items()
        ],
    )  # fmt: skip
    found = part["froc"]["found"]
    froc = table(
        ("false boxes a picture", *found), [("true boxes found", *(shown(figure, 2) for figure in found.values()))]
    )
    return (
        f"### Boxes: {part['title']}\n\n{part['true_boxes']} true boxes on {part['pictures']} pictures. A box "
        f"counts as true from an overlap (intersection over union) of {part['froc']['overlap']:g} on."
        f"\n\n{points}\n\n{froc}"
    )


def _classes(name: str, part: Figures) -> str:
    classes = [one.replace("_", " ") for one in part["classes"]]
    rows = [(classes[index], *row) for index, row in enumerate(part["truth_by_row_call_by_column"])]
    return (
        f"### Exclusive classes: {name}\n\nThe likeliest class is the call; {part['pictures']} pictures, accuracy "
        f"{shown(part['accuracy'])}, mean F1 {shown(part['f1'])}.\n\n"
        + table(("true class", *(f"called {one}" for one in classes)), rows)
    )


def _apart(test: Figures) -> str:
    apart = test["kept_apart"]
    if apart is None:
        return ""
    rows = [
        (part.get("words") or f"{part['title']}, against all that have it not", part["positives"], part["negatives"],
         shown(part.get("auroc")))
        for part in (*apart["contrasts"].values(), *apart["findings"].values())
    ]  # fmt: skip
    few = (
        "\n\nThat is very few: intervals from drawing these same patients again are too narrow. A warning light, not a "
        "measure."
        if apart["pictures"] < 40
        else ""
    )
    return (
        f"### A place kept apart\n\n{apart['pictures']} pictures of {apart['patients']} patients of one place that "
        "was in no fold. A model that had learnt the source of a picture instead of the disease would score below "
        "chance here."
        "\n\n" + table(("what", "with", "without", "AUROC"), rows) + few
    )


def _dicom(figures: Figures) -> str:
    check = figures.get("dicom_check")
    if not check:
        return ""
    names = {"patients_never_used": "of patients never used", "all_files": "all, patients of the fitting included"}
    rows = [
        (
            words,
            check[name]["pictures"],
            _pair(check[name]),
            shown(at(check[name], "contrasts", "opacity_normal", "auroc")),
        )
        for name, words in names.items()
        if check.get(name)
    ]
    return (
        "### The same hospital as DICOM\n\nDICOM files of the challenge, read by the node's own pixel pipeline: a "
        "check of the format, not of another hospital.\n\n"
        + table(("files", "number", "opacity / normal", "AUROC, opacity against normal"), rows)
    )


def _pair(measured: Figures) -> str:
    part = at(measured, "contrasts", "opacity_normal")
    return "–" if part is None else f"{part['positives']} / {part['negatives']}"


def _subgroups(figures: Figures) -> str:
    findings = figures["test"]["findings"]
    groups = [name for name in _GROUPS if any(at(part, "subgroups", name, "auroc") for part in findings.values())]
    if not groups:
        return "No subgroup has five pictures with a finding and five without it."
    auroc = [
        (part["title"], *(shown(at(part, "subgroups", name, "auroc"), 2) for name in groups))
        for part in findings.values()
    ]
    points = [
        (part["title"], *(_point_cell(at(part, "subgroups", name)) for name in groups)) for part in findings.values()
    ]
    return (
        "AUROC; a dash where fewer than five pictures have the finding, or have it not. By source and by who read the "
        f"picture: see `figures.json`.\n\n{table(('finding', *groups), auroc)}\n\nSensitivity and specificity at the "
        f"sensitive point:\n\n{table(('finding', *groups), points)}"
    )


def _point_cell(group: Any) -> str:
    point = at(group, "sensitive")
    if point is None:
        return "–"
    return " / ".join(f"{point[figure]['value']:.2f}" for figure in ("sensitivity", "specificity"))


def _protocol(figures: Figures) -> str:
    protocol, data = figures["protocol"], at(figures, "recipe", "data") or {}
    names = {
        "training": "fitting",
        "validation": "calibration, operating points",
        "test": "figures above",
        "kept_apart": "figures of the place kept apart",
    }
    parts = {name: part for name, part in protocol["parts"].items() if part["pictures"]}
    rows = [(names.get(name, name), _folds(part), part["patients"], part["pictures"]) for name, part in parts.items()]
    labels = list(dict.fromkeys(label for part in parts.values() for label in part["labels"]))
    known = [
        (label.replace("_", " "), *(_label_cell(part["labels"].get(label)) for part in parts.values()))
        for label in labels
    ]
    left = "; ".join(f"{reason}: {count}" for reason, count in protocol["left_out"].items())
    twin = protocol.get("twin")
    if twin:
        names["validation"] = "calibration, operating points, by its twin"
    by_patient = "No patient of another part is in the test part." if twin else "No patient is in two parts."
    patients = (
        by_patient
        if data.get("by", "patient") == "patient"
        else "**Split by picture: pictures of one patient stand on both sides, which flatters.**"
    )
    history = f" {data['test_history'].strip()}" if data.get("test_history") else ""
    frontal = "Frontal radiographs of adults (18 years and over). " if data.get("frontal_adults", True) else ""
    return "\n\n".join(
        [
            f"{frontal}Split {protocol['split']}; seed {protocol['seed']}. {patients} {_chosen(protocol)}{history}",
            table(("used for", "folds", "patients", "pictures"), rows),
            "Pictures with / without each label, and how many of them radiologists read:",
            table(("label", *(names.get(name, name) for name in parts)), known),
            f"Left out: {left or 'nothing'}.",
            f"LiteRT and TensorFlow differ in probabilities and box coordinates by at most "
            f"{figures['engines_differ_at_most']:.0e}." if "engines_differ_at_most" in figures else "",
        ]
    ).strip()  # fmt: skip


def _chosen(protocol: Figures) -> str:
    """Say on which pictures calibration and operating points were chosen, and by which networks."""
    twin = protocol.get("twin")
    if not twin:
        return (
            "The validation pictures also chose calibration and operating points, so figures on them would flatter; "
            "none stands here."
        )
    chosen_on = _folds(protocol["parts"]["validation"])
    return (
        f"Calibration and operating points were chosen on {chosen_on} by a twin of the same settings and seed that "
        f"was fitted without it, on {twin['pictures']} pictures of {twin['patients']} patients ({_folds(twin)}); what "
        "ships took them over and was fitted on that fold, too, so figures on it would flatter; none stands here."
    )


def _label_cell(counts: Any) -> str:
    if not counts or not counts["yes"] + counts["no"]:
        return "–"
    return f"{counts['yes']} / {counts['no']}" + (f", {counts['read']} read" if counts["read"] else "")


def _data(manifest: AnyManifest, figures: Figures) -> str:
    # What a twin was chosen on is part of what was fitted on, and counts once.
    apart = {"validation"} if figures["protocol"].get("twin") else set()
    parts = [part for name, part in figures["protocol"]["parts"].items() if name not in apart]
    sources = sorted({source for part in parts for source in part["sources"]})
    licences: dict[str, int] = {}
    for part in parts:
        for name, count in part["licences"].items():
            licences[name] = licences.get(name, 0) + count
    lines = [
        f"- {_SOURCES.get(source, f'**{source}**: a data set that this card knows by name only.')}"
        for source in sources
    ]
    if "mobilenet" in str(at(figures, "recipe", "network", "weights") or ""):
        lines.append(f"- {_BACKBONE}")
    tally = "; ".join(f"{name}: {count}" for name, count in sorted(licences.items(), key=lambda item: -item[1]) if name)
    return (
        "\n".join(lines)
        + (f"\n\nPictures by licence as the data set states it: {tally}." if tally else "")
        + (f" {_NON_COMMERCIAL}" if any("NC" in name.split("-") for name in licences) else "")
        + f"\n\nThe pictures themselves are not part of this package. Its weights are under {manifest.licence}."
    )


def _failures(manifest: AnyManifest, figures: Figures) -> str:
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


def _folds(part: Figures) -> str:
    folds = part.get("folds", ())
    return ("fold " if len(folds) == 1 else "folds ") + ", ".join(str(fold) for fold in folds) if folds else "–"

"""The data in a card: how it was split and used, where it comes from and under which licences."""

from typing import Any

from inference.manifest import AnyManifest
from training.evaluation.markdown import Figures, at, folds, table

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
_NON_COMMERCIAL = (
    "Some of these licences (NC) allow no commercial use of the pictures; whether that reaches weights fitted on them "
    "is an open question of law."
)


def protocol_section(figures: Figures) -> str:
    """Return how the data was split, what each part was used for, and how many images have each label."""
    protocol, data = figures["protocol"], at(figures, "recipe", "data") or {}
    names = {
        "training": "fitting",
        "validation": "calibration, operating points",
        "test": "figures above",
        "kept_apart": "figures of the place kept apart",
    }
    parts = {name: part for name, part in protocol["parts"].items() if part["pictures"]}
    rows = [(names.get(name, name), folds(part), part["patients"], part["pictures"]) for name, part in parts.items()]
    labels = list(dict.fromkeys(label for part in parts.values() for label in part["labels"]))
    label_rows = [
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
            table(("label", *(names.get(name, name) for name in parts)), label_rows),
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
    chosen_on = folds(protocol["parts"]["validation"])
    return (
        f"Calibration and operating points were chosen on {chosen_on} by a twin of the same settings and seed that "
        f"was fitted without it, on {twin['pictures']} pictures of {twin['patients']} patients ({folds(twin)}); what "
        "ships took them over and was fitted on that fold, too, so figures on it would flatter; none stands here."
    )


def _label_cell(counts: Any) -> str:
    if not counts or not counts["yes"] + counts["no"]:
        return "–"
    return f"{counts['yes']} / {counts['no']}" + (f", {counts['read']} read" if counts["read"] else "")


def data_section(manifest: AnyManifest, figures: Figures) -> str:
    """Return the sources of the images with their terms, and the licence of the weights."""
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

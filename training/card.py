"""The model card, written from the figures: no number in it is typed by hand."""

from collections.abc import Sequence
from typing import Any

from inference.package import Manifest
from training.dataset import Read

_SOURCES = """\
- **NIH ChestX-ray14** (Wang et al. 2017, "ChestX-ray8", CVPR), provided by the NIH Clinical Center, free to use with \
attribution: <https://nihcc.app.box.com/v/ChestXray-NIHCC>. Labels mined from reports by machine.
- **RSNA Pneumonia Detection Challenge 2018** (Shih et al. 2019, Radiology: Artificial Intelligence 1(1)): classes and \
boxes by radiologists on NIH pictures, under the terms of the challenge.
- **MobileNetV2 1.0** weights learnt from ImageNet (Apache-2.0), dequantised from the full-integer TFLite file."""

_FAILURES = """\
- One hospital's pictures (NIH Clinical Center). Results at a new hospital, with its devices, processing and patients, \
are unknown until they are measured there.
- "Lung opacity" means what the challenge's readers boxed: opacities suspicious for pneumonia. A nodule, a mass, an \
effusion or oedema without such an opacity was read as "not normal", not as opacity, and the model follows that.
- Bedside (AP) pictures hold far more opacities than upright (PA) ones; part of what the model knows is the view. See \
the subgroups.
- Children, lateral views and anything but a frontal chest radiograph were never shown to it.
- Faint, small and retrocardiac opacities are missed most often; skin folds, breast shadows, scapulae and markers \
draw false boxes.
- Probabilities are calibrated for the share of opacities in the data set, which is higher than in most departments. \
Set operating points for your own site before relying on any of them, in research too.
- Two boxes of one opacity may be drawn as one, and one as two; box edges are rough."""


def card(manifest: Manifest, figures: dict[str, Any]) -> str:
    """Return ``card.md`` for a package with these figures."""
    parts = figures["protocol"]["parts"]
    quick = (
        "\n> **A quick run, to see that everything works. Not a model to use.**\n"
        if figures["protocol"]["quick"]
        else ""
    )
    return f"""\
# {manifest.name} {manifest.version}

{manifest.title}.
{quick}
{manifest.summary}

**Intended use.** {manifest.intended_use}

## Figures

Measured on fold {_folds(parts["test"])}, {parts["test"]["patients"]} patients with {parts["test"]["pictures"]} \
pictures that were neither trained on nor tuned on, with the very files of this package. \
In brackets: {figures["protocol"]["intervals"]}.

{_headline(figures)}

### Operating points

Chosen on fold {_folds(parts["validation"])} ({parts["validation"]["patients"]} patients); sensitivity and specificity \
measured on the test fold, each finding against all other pictures.

{_points(figures)}

### Boxes

{_boxes(figures)}

### Subgroups: AUROC of lung opacity against normal

{_subgroups(figures)}

### Calibration of lung opacity

{_reliability(figures)}

{_dicom(figures)}\
## Protocol

{_protocol(figures)}

## Data and licences

{_SOURCES}

The pictures themselves are not part of this package. Its weights are under {manifest.licence}.

## Known failures and limits

{_FAILURES}
"""


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def shown(figure: dict[str, Any] | None, digits: int = 3) -> str:
    """Return a figure with its interval; a dash where it could not be measured."""
    if figure is None or figure["value"] is None:
        return "–"
    low, high = figure["interval"]
    interval = f" [{low:.{digits}f}–{high:.{digits}f}]" if low is not None and high is not None else ""
    return f"{figure['value']:.{digits}f}{interval}"


def headline_rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (what, figure) of the test results that matter most."""
    test = figures["test"]
    return [
        ("Lung opacity against normal, AUROC", shown(test["opacity_against_normal"])),
        ("… within PA", shown(test["subgroups"]["view PA"].get("auroc"))),
        ("… within AP", shown(test["subgroups"]["view AP"].get("auroc"))),
        ("Lung opacity against all others, AUROC", shown(test["findings"]["lung_opacity"]["auroc_against_all_others"])),
        ("Normal against all others, AUROC", shown(test["findings"]["normal"]["auroc_against_all_others"])),
        (
            "Expected calibration error, lung opacity",
            shown(test["findings"]["lung_opacity"]["expected_calibration_error"]),
        ),
        ("Expected calibration error, normal", shown(test["findings"]["normal"]["expected_calibration_error"])),
        ("Boxes: average precision at overlap 0.5", shown(test["boxes"]["average_precision_0.5"])),
        ("Boxes: RSNA score, overlaps 0.4 to 0.75", shown(test["boxes"]["rsna_score"])),
        ("Surest box's middle inside a true box", shown(test["boxes"]["pointing_game"])),
    ]


def _headline(figures: dict[str, Any]) -> str:
    return table(("figure", "value"), headline_rows(figures))


def _points(figures: dict[str, Any]) -> str:
    rows = [
        (
            label.replace("_", " "),
            name,
            f"{point['threshold']:.3f}",
            shown(point["sensitivity"]),
            shown(point["specificity"]),
        )
        for label, finding in figures["test"]["findings"].items()
        for name, point in finding["points"].items()
    ]
    return table(("finding", "point", "threshold", "sensitivity", "specificity"), rows)


def _boxes(figures: dict[str, Any]) -> str:
    boxes = figures["test"]["boxes"]
    points = table(
        ("point", "threshold", "true boxes found", "boxes that are true", "false boxes a picture"),
        [
            (
                name,
                f"{point['threshold']:.3f}",
                f"{point['found']:.2f}",
                f"{point['precision']:.2f}",
                f"{point['false_boxes_a_picture']:.2f}",
            )
            for name, point in boxes["points"].items()
        ],
    )
    froc = table(
        ("false boxes a picture", *(f"{value:g}" for value in boxes["froc"]["false_boxes_a_picture"])),
        [("true boxes found", *(f"{value:.2f}" for value in boxes["froc"]["found"]))],
    )
    return (
        f"{boxes['true_boxes']} true boxes. A box counts as true from an overlap (intersection over union) of "
        f"{boxes['froc']['overlap']:g} on.\n\n{points}\n\n{froc}"
    )


def _subgroups(figures: dict[str, Any]) -> str:
    rows = [
        (name, entry["normal"], entry["lung_opacity"], shown(entry.get("auroc")))
        for name, entry in figures["test"]["subgroups"].items()
    ]
    return table(("group", "normal", "lung opacity", "AUROC"), rows)


def _reliability(figures: dict[str, Any]) -> str:
    rows = [
        (entry["pictures"], f"{entry['mean_score']:.2f}", f"{entry['share']:.2f}")
        for entry in figures["test"]["findings"]["lung_opacity"]["reliability"]
    ]
    return table(("pictures", "mean probability", "share with lung opacity"), rows)


def _dicom(figures: dict[str, Any]) -> str:
    check = figures["dicom_check"]
    if check is None:
        return ""
    rows = [
        (
            name,
            part["files"],
            part["classes"][Read.NORMAL.value],
            part["classes"][Read.OPACITY.value],
            shown(part["opacity_against_normal"]),
        )
        for name, part in (
            ("of patients never used", check["patients_never_used"]),
            ("all, most of them trained on", check["all_files"]),
        )
    ]
    same = check["same_picture"]
    pairs = (
        f"\n\n{same['pictures']} of these pictures are also in the data set as smaller JPEG files: the probability of "
        f"lung opacity differs by {same['median_difference']:.3f} in the median and {same['largest_difference']:.3f} "
        "at most between the two formats."
        if same["pictures"]
        else ""
    )
    return f"""\
### The same hospital as DICOM

DICOM files of the challenge, read by the node's own pixel pipeline: a check of the format, not of another hospital.

{table(("files", "number", "normal", "lung opacity", "AUROC, opacity against normal"), rows)}{pairs}

"""


def _protocol(figures: dict[str, Any]) -> str:
    protocol = figures["protocol"]
    names = {
        "training": "fitting",
        "training_mined_labels": "fitting, mined labels only",
        "validation": "calibration, operating points",
        "test": "figures above",
    }
    rows = [
        (
            names[part],
            _folds(entry),
            entry["patients"],
            entry["pictures"],
            *(entry["classes"][read.value] for read in Read),
            entry["boxes"],
        )
        for part, entry in ((part, protocol["parts"][part]) for part in names)
        if entry["pictures"]
    ]
    left_out = "; ".join(f"{reason}: {count}" for reason, count in protocol["left_out"].items())
    header = ("used for", "folds", "patients", "pictures", *(f'read "{read.value}"' for read in Read), "boxes")
    data = figures["recipe"]["data"]
    mined = (
        f"Pictures that have only labels mined from reports count {data['weak_weight']:g} in the class loss and "
        "nothing in the detector's; what a mined label is worth was learnt from training pictures that have both. "
        if protocol["parts"]["training_mined_labels"]["pictures"]
        else ""
    )
    return f"""\
Frontal radiographs of adults (18 years and over). The truth for classes and boxes is the radiologists' reads. \
{mined}No patient is in two parts. The validation fold also chose between training settings, so figures on it would \
flatter; none stands here. {data["test_history"] + " " if data["test_history"] else ""}\
Seed {protocol["seed"]}. Split {protocol["split"]}.

{table(header, rows)}

Rows of the data set left out: {left_out}.

LiteRT and TensorFlow give the same probabilities and box coordinates within {figures["engines_differ_at_most"]:.0e}.\
"""


def _folds(part: dict[str, Any]) -> str:
    return ", ".join(str(fold) for fold in part["folds"])

"""The metrics in a card: by finding, operating point, box, class and subgroup."""

from typing import Any

from training.evaluation.markdown import FINDING_HEADER, Figures, at, finding_rows, folds, headline_rows, shown, table

_GROUPS = ("view PA", "view AP", "women", "men", "age 18 to 39", "age 40 to 59", "age 60 and over")


def figures_section(figures: Figures) -> str:
    """Return the metrics on the test part, by finding, operating point, box and class."""
    test, part = figures["test"], figures["protocol"]["parts"]["test"]
    sections = [
        f"Measured on {folds(part)}: {test['patients']} patients with {test['pictures']} pictures that were neither "
        "fitted nor chosen on, with the very files of this package, through the code that serves. In brackets: "
        f"{test['intervals']}.",
        table(("figure", "value"), headline_rows(test)) if headline_rows(test) else "",
        table(FINDING_HEADER, finding_rows(test)),
        "### Operating points\n\nChosen on the validation pictures; measured on the test pictures, each finding "
        "against all pictures known not to have it.\n\n" + _points(test),
        *(_boxes(metrics) for metrics in test["boxes"].values()),
        *(_classes(name, metrics) for name, metrics in test["classes"].items()),
        _apart(test),
        _dicom(figures),
    ]
    return "\n\n".join(section for section in sections if section)


def _points(test: Figures) -> str:
    rows = [
        (finding["title"], name, f"{point['threshold']:.3f}",
         *(shown(point[figure], 2) for figure in ("sensitivity", "specificity", "precision")))
        for finding in test["findings"].values()
        for name, point in finding["points"].items()
    ]  # fmt: skip
    return table(("finding", "point", "threshold", "sensitivity", "specificity", "precision"), rows)


def _boxes(metrics: Figures) -> str:
    points = table(
        ("point", "threshold", "true boxes found", "boxes that are true", "false boxes a picture"),
        [
            (name, f"{point['threshold']:.3f}",
             *(shown(point[figure], 2) for figure in ("found", "precision", "false_a_picture")))
            for name, point in metrics["points"].items()
        ],
    )  # fmt: skip
    shares = metrics["froc"]["found"]
    froc = table(
        ("false boxes a picture", *shares), [("true boxes found", *(shown(figure, 2) for figure in shares.values()))]
    )
    return (
        f"### Boxes: {metrics['title']}\n\n{metrics['true_boxes']} true boxes on {metrics['pictures']} pictures. A box "
        f"counts as true from an overlap (intersection over union) of {metrics['froc']['overlap']:g} on."
        f"\n\n{points}\n\n{froc}"
    )


def _classes(name: str, metrics: Figures) -> str:
    classes = [label.replace("_", " ") for label in metrics["classes"]]
    rows = [(classes[index], *row) for index, row in enumerate(metrics["truth_by_row_call_by_column"])]
    return (
        f"### Exclusive classes: {name}\n\nThe likeliest class is the call; {metrics['pictures']} pictures, accuracy "
        f"{shown(metrics['accuracy'])}, mean F1 {shown(metrics['f1'])}.\n\n"
        + table(("true class", *(f"called {label}" for label in classes)), rows)
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
    contrast = at(measured, "contrasts", "opacity_normal")
    return "–" if contrast is None else f"{contrast['positives']} / {contrast['negatives']}"


def subgroups_section(figures: Figures) -> str:
    """Return AUROC, sensitivity and specificity by view, sex and age."""
    findings = figures["test"]["findings"]
    groups = [name for name in _GROUPS if any(at(finding, "subgroups", name, "auroc") for finding in findings.values())]
    if not groups:
        return "No subgroup has five pictures with a finding and five without it."
    auroc = [
        (finding["title"], *(shown(at(finding, "subgroups", name, "auroc"), 2) for name in groups))
        for finding in findings.values()
    ]
    points = [
        (finding["title"], *(_point_cell(at(finding, "subgroups", name)) for name in groups))
        for finding in findings.values()
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

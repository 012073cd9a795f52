"""The command that says what a package does on a site's own images without labels."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cxrnode.command import Json, err, out, train_extra
from cxrnode.progress import shown_progress

if TYPE_CHECKING:
    from training.evaluation.site_report import SiteReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("site-report", rich_help_panel="Models")(site_report)


def site_report(
    package: Annotated[str, typer.Argument(help="A built-in package's name, or a package's folder.")],
    data: Annotated[Path, typer.Option(help="A folder of JPEG, PNG or DICOM files, at any depth.")],
    reader: Annotated[str, typer.Option(help="The layout of the folder; labels are not looked at.")] = "unlabelled",
    any_view: Annotated[
        bool,
        typer.Option("--any-view", help="Every view and age, also stated laterals and children."),
    ] = False,
    to: Annotated[Path | None, typer.Option("--out", help="The JSON file to write.")] = None,
    as_json: Json = False,
) -> None:
    """Say how often a package calls each finding on images without labels, and how far these are from what it learnt.

    It cannot say how often the package is right: that takes labels, see `cxrnode evaluate`.
    """
    with train_extra():
        from inference.model import Model
        from training.data.frontal_adults import Unstated, frontal_adults, in_words
        from training.data.readers import open_data
        from training.evaluation.site_report import site_report as report_on

    examples = open_data(data, reader)
    if not any_view:
        # Without labels there is no header but DICOM's: what nobody stated counts as frontal, as a person chose it.
        examples, left_out = frontal_adults(examples, Unstated(view=True, age=True))
        if left_out:
            err.print(f"{left_out.total()} images are left out ({in_words(left_out)})", highlight=False, soft_wrap=True)
    model = Model.open(package)
    with shown_progress() as progress:
        report = report_on(model, examples, lambda done: progress("images", done, len(examples)))
    document = report.as_json()
    if to is not None:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    if as_json:
        out.print_json(data=document)
        return
    _show(report)


def _show(report: "SiteReport") -> None:
    from training.evaluation.site_report import MANY

    table = Table("finding", title=f"{report.package} {report.version} on {report.images} images without labels")
    for column in ("possible or more", "stated", "median score", "19 of 20 below"):
        table.add_column(column, justify="right")
    for finding in report.findings:
        shares = (f"{100 * share:.1f} %" for share in (finding.possible, finding.stated))
        scores = (f"{score:.3f}" for score in (finding.scores[2], finding.scores[4]))
        table.add_row(finding.title, *shares, *scores)
    out.print(table)
    lines = [
        f"An abnormal finding is stated on {100 * report.any_abnormal:.1f} % of the images, {MANY} or more on "
        f"{100 * report.many_abnormal:.1f} %."
    ]
    if report.unreadable:
        lines.append(f"{report.unreadable} images could not be read and count nowhere.")
    if report.distances is None:
        lines.append("The package has no measure of how far images are from what it learnt.")
    else:
        near = report.distances.shares_nearer
        lines.append(
            f"{100 * report.distances.unlike:.1f} % of the images are unlike those that it learnt from; the median "
            f"image is farther than {100 * near[2]:.0f} % of held-out images (50 % where they are alike)."
        )
    lines.append("None of this says how often the package is right: that takes labels.")
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)

"""Commands for the site's operating points: the same rows that the console's page of the points sets."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cxrnode.command import Context, Json, operator, out

if TYPE_CHECKING:
    from config.settings import InferenceSettings
    from inference.point_preview import SetPackage
    from tracking.engine.database import Database

points_app = typer.Typer(help="The site's operating points of the package in use.", no_args_is_help=True)
Label = Annotated[str, typer.Argument(metavar="FINDING", help="As `cxrnode points list` names it.")]
Percent = Annotated[float, typer.Option(min=0, max=100, help="In per cent.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(points_app, name="points", rich_help_panel="Administration")


@points_app.command("list")
def points_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the findings with the points in force, and who set them."""
    from cxrnode import show

    _, _, package = _open(ctx)
    if as_json:
        show.as_json([_as_json(package, entry.label) for entry in package.findings])
        return
    table = Table("finding", "here", "undetermined from", "present from", "set by", header_style="bold")
    for entry in package.findings:
        points = entry.finding.points
        table.add_row(
            entry.label, "stated" if entry.finding.stated else "[dim]scored only[/]", f"{points.sensitive:.1%}",
            f"{points.specific:.1%}", _set_by(package, entry.label),
        )  # fmt: skip
    out.print(table)


@points_app.command("set")
def points_set(
    ctx: typer.Context,
    finding: Label,
    sensitive: Percent,
    specific: Percent,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would have changed here.")] = False,
) -> None:
    """Set the points of a finding for new analyses; say what they would have changed on past studies.

    Only the package's own figures state a finding: moving a point never makes one stated.
    """
    from inference.point_preview import preview
    from tracking.people.users import Actor
    from tracking.results import site_points

    _, database, package = _open(ctx)
    wanted = (round(sensitive / 100, 6), round(specific / 100, 6))
    site_points.check_points(wanted)
    with database.reading() as read:
        effect = preview(read, package, finding, wanted)
    if effect.per_hundred is not None:
        _say(f"{effect.per_hundred:.1f} results of 100 studies would be of another class "
             f"({effect.changed} of the newest {effect.studies})")  # fmt: skip
    if dry_run:
        _say("nothing was set")
        return
    with database.transaction() as tx:
        changed = site_points.set_points(tx, package.name, finding, wanted, by=Actor(operator()))
    _say(f"{finding}: {'set for new analyses' if changed else 'set so already, nothing changed'}")


@points_app.command("reset")
def points_reset(ctx: typer.Context, finding: Label) -> None:
    """Take back what was set on the page or by command: the settings file holds again, or the package."""
    from inference.point_preview import pair_of_settings
    from tracking.people.users import Actor
    from tracking.results import site_points

    settings, database, package = _open(ctx)
    package.finding(finding)
    pair = pair_of_settings(settings, finding)
    with database.transaction() as tx:
        changed = site_points.reset_points(tx, package.name, finding, pair, by=Actor(operator()))
    back = "the settings file" if pair else "the package"
    _say(f"{finding}: {f'{back} holds again' if changed else 'nobody had set it, nothing changed'}")


def _open(ctx: typer.Context) -> "tuple[InferenceSettings, Database, SetPackage]":
    """Return the settings of the models as the file has them, the database, and the package with its points."""
    from inference.installed import with_points_in_force
    from inference.point_preview import package_in_use

    context: Context = ctx.obj
    settings, database = context.settings().inference, context.database()
    in_force = with_points_in_force(settings, database)
    with database.reading() as read:
        return settings, database, package_in_use(read, in_force)


def _set_by(package: "SetPackage", label: str) -> str:
    here = package.finding(label).here
    if here is None:
        return "the package"
    return "the settings file" if here.source.value == "settings" else here.changed_by


def _as_json(package: "SetPackage", label: str) -> dict[str, object]:
    entry = package.finding(label)
    own = entry.finding.spec.points.points()
    return {
        "package": package.name, "finding": label, "stated": entry.finding.stated, "points": entry.finding.points,
        "of_package": own, "source": entry.here.source if entry.here else "package",
        "changed_by": entry.here.changed_by if entry.here else None,
        "changed_at": entry.here.changed_at if entry.here else None,
    }  # fmt: skip


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)

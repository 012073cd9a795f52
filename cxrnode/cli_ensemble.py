"""The command that joins networks into an ensemble."""

from pathlib import Path
from typing import Annotated

import typer

from cxrnode.command import Json, as_made, out, train_extra
from cxrnode.progress import shown_progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(ensemble)


def ensemble(
    to: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the ensemble; one that is there is replaced.")],
    members: Annotated[list[str], typer.Argument(metavar="MEMBER…", help="Two or more packages of one network each.")],
    data: Annotated[Path, typer.Option(help="The data folder that the members were trained from.")],
    name: Annotated[str, typer.Option(help="Of the ensemble; the first member's name and -ensemble without it.")] = "",
    version: Annotated[str, typer.Option(help="Of the ensemble.")] = "1.0.0",
    title: Annotated[str, typer.Option(help="Of the ensemble; the first member's without it.")] = "",
    as_json: Json = False,
) -> None:
    """Make one package that averages networks; its operating points are chosen, and its figures measured, anew.

    The members must have learnt from the same folds: the points come from their validation fold, the figures from
    their test fold. Needs the train extra.
    """
    with train_extra():
        from training.pipelines.ensemble import Names, make_ensemble
    with shown_progress() as progress:
        made = make_ensemble(to, members, data, names=Names(name, version, title), progress=progress)
    if as_json:
        out.print_json(data=as_made(made, to))
        return
    findings = ", ".join(spec.label for spec in made.package.manifest.findings)
    out.print(f"{len(members)} networks, findings: {findings}.", soft_wrap=True)
    words = f"The package is in {to}. Research use only: its card says what it cannot do."
    out.print(words, soft_wrap=True, markup=False)

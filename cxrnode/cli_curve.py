"""The learning curve of a recipe, as a command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cxrnode.command import Json, out, train_extra
from cxrnode.progress import shown_progress

SHARES = (0.25, 0.5, 1.0)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(curve)


def curve(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or the path of a TOML file.")],
    data: Annotated[Path, typer.Option(help="The data folder, in the layout that the recipe names.")],
    to: Annotated[Path, typer.Option("--out", help="The JSON file to write.")],
    share: Annotated[
        list[float] | None, typer.Option(help="A share of the training patients; may be given several times.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for intermediate results, else .cache/train.")] = None,
    experiment: Annotated[str | None, typer.Option(help="One of the recipe's experiments.")] = None,
    weights: Annotated[Path | None, typer.Option(help="What to start from, if not the recipe's weights file.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few pictures, one epoch: to see that all works.")] = False,
    as_json: Json = False,
) -> None:
    """Fit a recipe on growing shares of its training patients; measure each on the validation fold.

    Finished shares are kept in the cache: a run that was stopped goes on with the next.
    """
    with train_extra():
        from training.evaluation.run_file import FIGURE_NAMES, write_json
        from training.pipelines.learning_curve import curve as run
        from training.recipe.shipped_recipes import load_recipe

    chosen = load_recipe(recipe)
    if experiment is not None:
        chosen = chosen.experiment(experiment)
    with shown_progress() as progress:
        found = run(chosen, data, share or SHARES, work=cache, weights=weights, quick=quick, progress=progress)
    document = found.as_json()
    write_json(to, document)
    if as_json:
        out.print_json(data=document)
        return
    points = list(found.points.values())
    table = Table("figure, validation fold", *(f"{point.pictures} pictures" for point in points))
    for name in points[-1].figures:
        figure, _, label = name.partition(":")
        words = FIGURE_NAMES[figure] + (f", {label}" if label else "")
        table.add_row(
            words, *(f"{point.figures[name].value:.3f}" if name in point.figures else "–" for point in points)
        )
    out.print(table)

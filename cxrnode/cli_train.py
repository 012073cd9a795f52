"""The training room, as a command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from config.errors import SettingsError
from config.logs import configure_logs
from config.settings import LogSettings
from cxrnode.progress import shown_progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(train)


def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or the path of a TOML file.")],
    data: Annotated[Path, typer.Option(help="The data folder, in the layout that the recipe or --reader names.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the model package; one that is there is replaced.")],
    cache: Annotated[Path | None, typer.Option(help="Folder for intermediate results, else .cache/train.")] = None,
    reader: Annotated[str | None, typer.Option(help="The data folder's layout, if not the recipe's own.")] = None,
    experiment: Annotated[str | None, typer.Option(help="One of the recipe's experiments.")] = None,
    weights: Annotated[Path | None, typer.Option(help="What to start from, if not the recipe's weights file.")] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder for the run's small file of headline figures.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few pictures, one epoch: to see that all works.")] = False,
) -> None:
    """Train, calibrate and evaluate a model package (needs the train extra: TensorFlow).

    A run that was stopped goes on where it was when it is started again with the same recipe, data and cache.
    """
    try:
        from training.ensemble import train_all
    except ModuleNotFoundError as error:
        msg = f"training needs {error.name}, which is not installed: pip install 'cxrnode[train]'"
        raise SettingsError(msg) from None
    from training.evaluation.headline import headline, holdout_run
    from training.recipe import load_recipe, with_reader
    from training.runs import FIGURE_NAMES, write_run

    configure_logs(LogSettings(level="warning"), "train")
    chosen = load_recipe(recipe)
    if experiment is not None:
        chosen = chosen.experiment(experiment)
    if reader is not None:
        chosen = with_reader(chosen, reader)
    with shown_progress() as progress:
        trained = train_all(chosen, data, to, work=cache, weights=weights, quick=quick, progress=progress)
    if runs is not None:
        known = trained.figures["protocol"]
        told = {
            "epochs": chosen.fit.epochs + chosen.fit.last_epochs,
            "side": chosen.network.side,
            "list": chosen.data.list,
            "weights": chosen.network.weights,
            "note": f"fitted on {known['parts']['training']['pictures']} pictures"
            + (f", mean of {chosen.members} networks" if chosen.members > 1 else ""),
        }
        write_run(
            runs,
            holdout_run(chosen.package.name, trained.figures["test"], by=known["by"], protocol=told, quick=quick),
        )
    table = Table("figure, test part", "measured here", title=f"{chosen.package.name} {chosen.package.version}")
    for name, figure in headline(trained.figures["test"]).items():
        figure_name, _, label = name.partition(":")
        words = FIGURE_NAMES[figure_name] + (f", {label}" if label else "")
        table.add_row(words, f"{figure.value:.3f} [{figure.low:.3f}–{figure.high:.3f}]")
    console = Console()
    console.print(table)
    console.print(f"The package is in {to}. Research use only: its card says what it cannot do.")

"""The training room, as a command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.table import Table

from config.errors import SettingsError
from cxrnode.command import Json, as_made, out, train_extra
from cxrnode.own_recipes import find_own_recipe, train_own_recipe
from cxrnode.progress import shown_progress

if TYPE_CHECKING:
    from training.pipelines.ensemble import EnsembleResult
    from training.pipelines.train import TrainingResult
    from training.recipe.recipe import Recipe


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
    by: Annotated[
        str | None, typer.Option(help="What stays whole when pictures are dealt out: image (flatters) or patient.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="What to start from, if not the recipe's weights file.")] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder for the run's small file of headline figures.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few pictures, one epoch: to see that all works.")] = False,
    as_json: Json = False,
) -> None:
    """Train, calibrate and evaluate a model package (needs the train extra: TensorFlow).

    A run that was stopped goes on where it was when it is started again with the same recipe, data and cache.
    """
    from config.logs import configure_logs
    from config.settings import LogSettings

    with train_extra():
        from training.pipelines.production import produce
        from training.recipe.shipped_recipes import load_recipe, with_by, with_reader

        own = find_own_recipe(recipe, cache)
    configure_logs(LogSettings(level="warning"), "train")
    if own is not None:
        if experiment or reader or by or weights or runs:
            raise SettingsError(f"{own.kind} recipe takes --data, --out, --quick and --json only")
        train_own_recipe(own, data, to, quick=quick, as_json=as_json)
        return
    chosen = load_recipe(recipe)
    if experiment is not None:
        chosen = chosen.experiment(experiment)
    if reader is not None:
        chosen = with_reader(chosen, reader)
    if by is not None:
        if by not in {"image", "patient"}:
            raise SettingsError("--by is image or patient")
        chosen = with_by(chosen, cast("Literal['image', 'patient']", by))
    with shown_progress() as progress:
        trained = produce(chosen, data, to, work=cache, weights=weights, quick=quick, progress=progress)
    if runs is not None:
        _leave_run_file(runs, chosen, trained, weights, quick=quick)
    if as_json:
        out.print_json(data=as_made(trained, to))
        return
    out.print(_table(chosen, trained))
    out.print(f"The package is in {to}. Research use only: its card says what it cannot do.", markup=False)


def _leave_run_file(
    runs: Path, recipe: "Recipe", trained: "TrainingResult | EnsembleResult", weights: Path | None, *, quick: bool
) -> None:
    from training.evaluation.headline import holdout_run
    from training.evaluation.run_file import write_run

    known = trained.figures["protocol"]
    told = {
        "epochs": recipe.epochs,
        "side": recipe.network.side,
        "list": recipe.data.list,
        "weights": recipe.network.weights if weights is None else weights.name,
        "note": f"fitted on {known['parts']['training']['pictures']} pictures"
        + (f", chosen by a twin fitted on {known['twin']['pictures']}" if "twin" in known else "")
        + (f", mean of {recipe.members} networks" if recipe.members > 1 else ""),
    }
    run = holdout_run(
        recipe.package.name,
        trained.figures["test"],
        by=known["by"],
        protocol=told,
        known_parts=trained.figures.get("known_parts"),
        quick=quick,
    )
    write_run(runs, run)


def _table(recipe: "Recipe", trained: "TrainingResult | EnsembleResult") -> Table:
    from training.evaluation.headline import headline
    from training.evaluation.run_file import FIGURE_NAMES

    table = Table("figure, test part", "measured here", title=f"{recipe.package.name} {recipe.package.version}")
    for name, figure in headline(trained.figures["test"]).items():
        figure_name, _, label = name.partition(":")
        words = FIGURE_NAMES[figure_name] + (f", {label}" if label else "")
        table.add_row(words, f"{figure.value:.3f} [{figure.low:.3f}–{figure.high:.3f}]")
    return table

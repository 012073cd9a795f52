"""Cross-validation and tuning of recipes, as commands."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from rich.table import Table

from config.errors import SettingsError
from cxrnode.command import Json, out, train_extra
from cxrnode.progress import shown_progress

_FIGURES = ("accuracy", "f1", "auroc")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel="Models")(crossvalidate)
    app.command(rich_help_panel="Models")(tune)


def crossvalidate(
    recipes: Annotated[list[str], typer.Argument(help="Recipes, by name or TOML file; NAME:EXPERIMENT takes one.")],
    data: Annotated[Path, typer.Option(help="The data folder, with the recipes' list.")],
    to: Annotated[Path, typer.Option("--out", help="JSON file for figures and every prediction.")],
    by: Annotated[str, typer.Option(help="What stays whole: image (as published; flatters) or patient.")] = "image",
    folds: Annotated[int, typer.Option(min=2, help="How many.")] = 5,
    task: Annotated[str, typer.Option(help="three (classes), or binary: COVID-19 against no finding.")] = "three",
    seed: Annotated[int, typer.Option(help="Of how pictures are dealt out.")] = 1,
    runs: Annotated[Path | None, typer.Option(help="Folder for run files, from which docs/models.md is made.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for finished folds; .cache/crossvalidate without it.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few pictures and epochs: to see that all works.")] = False,
    as_json: Json = False,
) -> None:
    """Cross-validate recipes on their list, all on the same folds; a run that was stopped goes on."""
    with train_extra():
        from training.evaluation.run_file import write_json
        from training.pipelines import crossvalidate as room
        from training.pipelines import crossvalidation_results
        from training.recipe.shipped_recipes import load_recipe
    if task not in room.TASKS or by not in {"image", "patient"}:
        raise SettingsError("--task is three or binary, --by is image or patient")
    chosen = []
    for named in recipes:
        name, _, experiment = named.partition(":")
        recipe = load_recipe(name)
        chosen.append(recipe.experiment(experiment) if experiment else recipe)
    protocol = room.Protocol(
        task=cast("room.Task", task),
        by=cast("Literal['image', 'patient']", by),
        folds=folds,
        seed=seed,
        quick=quick,
    )
    with shown_progress() as progress:
        made = room.crossvalidate(chosen, data, protocol, work=cache or room.WORK, progress=progress)
    document = crossvalidation_results.document(made, chosen, protocol)
    write_json(to, document)
    if runs is not None:
        crossvalidation_results.write_runs(runs, document, chosen)
    if as_json:
        out.print_json(data=_without_predictions(document))
        return
    out.print(_compared(document))
    out.print(f"Figures and predictions are in {to}.", markup=False)


def _compared(document: Mapping[str, Any]) -> Table:
    known = document["protocol"]
    title = f"{known['folds']} folds by {known['by']}, {len(known['classes'])} classes, {known['pictures']} pictures"
    table = Table("recipe", *_FIGURES, title=title)
    for name, part in document["recipes"].items():
        table.add_row(name, *(_shown(part["pooled"][figure]) for figure in _FIGURES))
    for name, part in document["differences"].items():
        table.add_row(name, *(_shown(part[figure]) for figure in _FIGURES))
    return table


def _without_predictions(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures alone: what was predicted of each picture names patients, and stands in the file."""
    parts = {
        name: {key: value for key, value in part.items() if key != "predictions"}
        for name, part in document["recipes"].items()
    }
    return {**document, "recipes": parts}


def tune(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or the path of a TOML file.")],
    data: Annotated[Path, typer.Option(help="The data folder.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the best recipe and the table of trials.")],
    search: Annotated[str, typer.Option(help="random, hyperband or bayesian.")] = "random",
    trials: Annotated[int, typer.Option(min=1, help="How many settings to try (hyperband: how many rounds).")] = 10,
    cache: Annotated[Path | None, typer.Option(help="Folder for intermediate results, else .cache/train.")] = None,
    weights: Annotated[Path | None, typer.Option(help="What to start from, if not the recipe's weights file.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few pictures and epochs: to see that all works.")] = False,
    as_json: Json = False,
) -> None:
    """Search a recipe's declared ranges, judged on its validation fold; a search that was stopped goes on."""
    with train_extra():
        from training.pipelines import tune as room
        from training.recipe.shipped_recipes import load_recipe
    if search not in room.SEARCHES:
        raise SettingsError(f"--search is one of {', '.join(room.SEARCHES)}")
    with shown_progress() as progress:
        found = room.tune(
            load_recipe(recipe), data, to,
            search=search, trials=trials, work=cache, weights=weights, quick=quick, progress=progress,
        )  # fmt: skip
    if as_json:
        rows = [{**asdict(trial), "loss": trial.loss if math.isfinite(trial.loss) else None} for trial in found]
        out.print_json(data={"best": str(to / room.BEST), "table": str(to / room.TABLE), "trials": rows})
        return
    names = sorted(found[0].values)
    table = Table("trial", "validation loss", *names, title=f"{recipe}: the best of {len(found)} trials first")
    for trial in found[:10]:
        table.add_row(trial.name, f"{trial.loss:.4f}", *(f"{trial.values[name]:.3g}" for name in names))
    out.print(table)
    out.print(f"The best recipe is {to / room.BEST}, all trials are in {to / room.TABLE}.", markup=False)


def _shown(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    if figure["value"] is None:
        return "–"
    return f"{figure['value']:.4f}" + (f" [{low:.3f}–{high:.3f}]" if low is not None else "")

"""The training room, as a command."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from config.errors import SettingsError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(train)


def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or the path of a TOML file.")],
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv, boxes.csv and images/.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the model package; one that is there is replaced.")],
    cache: Annotated[Path | None, typer.Option(help="Folder for intermediate results; beside OUT without it.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few pictures, one epoch: to see that all works.")] = False,
) -> None:
    """Train, calibrate and evaluate a model package (needs the train extra: TensorFlow)."""
    try:
        from training.run import main
    except ModuleNotFoundError as error:
        msg = f"training needs {error.name}, which is not installed: pip install 'cxrnode[train]'"
        raise SettingsError(msg) from None
    arguments = [recipe, "--data", str(data), "--out", str(to)]
    arguments += ["--cache", str(cache)] if cache is not None else []
    sys.exit(main([*arguments, *(["--quick"] if quick else [])]))

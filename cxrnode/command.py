"""What every command of the command line gets: the settings, the database, and where to print."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from config.errors import SettingsError

if TYPE_CHECKING:
    from config.settings import Settings
    from inference.package import AnatomyPackage, AnyPackage, VerdictPackage
    from tracking.engine.database import Database
    from training.pipelines.ensemble import EnsembleResult
    from training.pipelines.train import TrainingResult

out = Console()
err = Console(stderr=True)


@dataclass
class Context:
    """What every command gets: where the settings are, read only when asked for."""

    config: Path | None

    def settings(self) -> "Settings":
        """Return the settings."""
        from config.load import load_settings

        return load_settings(self.config)

    def config_file(self) -> Path | None:
        """Return the settings file in use, absolute, or None for the defaults."""
        from config.load import find_file

        found = find_file(self.config)
        return found.absolute() if found is not None else None

    def database(self) -> "Database":
        """Return the tracking database, with its schema ready."""
        from tracking.engine import schema
        from tracking.engine.database import Database

        database = Database.open(self.settings().database_url(), service="cli")
        schema.ensure(database)
        return database


Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")]


def operator() -> str:
    """Return who gives the command, as the operating system names them; for the audit log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return f"uid {os.getuid()}"


class WithDefault(TyperGroup):
    """A group of commands that takes anything else than one of their names for the arguments of ``show``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``show`` before arguments that name no command of the group and ask for no help."""
        if args and args[0] not in self.commands and args[0] not in self.get_help_option_names(ctx):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@contextmanager
def train_extra() -> Iterator[None]:
    """Turn a missing part of the train extra into words, and keep TensorFlow's notes about processors out of them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors alone; read when TensorFlow is loaded
    try:
        yield
    except ModuleNotFoundError as error:
        msg = f"this needs {error.name}, which is not installed: pip install 'cxrnode[train]'"
        raise SettingsError(msg) from None


def package_as_json(package: "AnyPackage | AnatomyPackage | VerdictPackage", folder: Path) -> dict[str, str]:
    """Return what scripts are told of a package: which, and where."""
    manifest = package.manifest
    return {"name": manifest.name, "version": manifest.version, "digest": package.digest, "folder": str(folder)}


def as_made(made: "TrainingResult | EnsembleResult", folder: Path) -> dict[str, Any]:
    """Return what scripts are told of a package that was made: which, where, and its headline figures."""
    from training.evaluation.headline import headline

    manifest = made.package.manifest
    figures = headline(made.figures["test"])
    return {
        "package": package_as_json(made.package, folder),
        "quick": bool(made.figures["protocol"]["quick"]),
        "findings": [finding.label for finding in manifest.findings],
        "figures": {name: figure.as_json() for name, figure in figures.items()},
    }

"""What every command of the command line gets: the settings, the database, and where to print."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from config.load import find_file, load_settings
from config.settings import Settings
from tracking.database import Database

out = Console()
err = Console(stderr=True)


@dataclass
class Context:
    """What every command gets: where the settings are, read only when asked for."""

    config: Path | None

    def settings(self) -> Settings:
        """Return the settings."""
        return load_settings(self.config)

    def config_file(self) -> Path | None:
        """Return the settings file in use, absolute, or None for the defaults."""
        found = find_file(self.config)
        return found.absolute() if found is not None else None

    def database(self) -> Database:
        """Return the tracking database, with its schema ready."""
        from tracking import schema

        database = Database.open(self.settings().database_url(), service="cli")
        schema.ensure(database)
        return database


Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")]

"""Commands for the administrator: settings, database, doctor."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from config.errors import SettingsError
from config.load import DEFAULT_FILE, REFERENCE_FILE
from cxrnode import show
from cxrnode.cli import Context, Json, err, out
from cxrnode.doctor import Check, examine

config_app = typer.Typer(help="The settings: check them, show them.", no_args_is_help=True)
db_app = typer.Typer(help="The tracking database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Administration")(init)
    app.add_typer(config_app, name="config", rich_help_panel="Administration")
    app.add_typer(db_app, name="db", rich_help_panel="Administration")
    app.command(rich_help_panel="Administration")(doctor)


def init(
    to: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.")] = DEFAULT_FILE,
    print_only: Annotated[bool, typer.Option("--print", help="Print it instead.")] = False,
) -> None:
    """Write a settings file with every option explained, all at their defaults."""
    text = REFERENCE_FILE.read_text(encoding="utf-8")
    if print_only:
        out.print(text, markup=False, highlight=False, soft_wrap=True)
        return
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        msg = f"{to}: this file exists already and is left alone; give another name, or edit it"
        raise SettingsError(msg) from None
    out.print(f"{to} written; edit it, then run `cxrnode -c {to} config check` and `cxrnode -c {to} doctor`")


@config_app.command("check")
def config_check(ctx: typer.Context) -> None:
    """Check the settings; every mistake is named with file, key and cure. Exit 3 if there is any."""
    context: Context = ctx.obj
    settings = context.settings()
    where = context.config_file() or "defaults (no settings file)"
    out.print(f"[green]good[/]: {where}")
    out.print(f"receiving as {settings.node.ae_title} on {settings.receive.host}:{settings.receive.port}, "
              f"{len(settings.destinations)} destinations, data in {settings.node.data_dir.absolute()}")  # fmt: skip


@config_app.command("show")
def config_show(ctx: typer.Context) -> None:
    """Print the settings in force as JSON: file, environment and defaults together; secrets are masked."""
    context: Context = ctx.obj
    show.as_json(context.settings().model_dump(mode="json"))


@db_app.command("upgrade")
def db_upgrade(ctx: typer.Context) -> None:
    """Create the tables, or bring an older database up to this version. Back it up first."""
    from tracking import schema
    from tracking.database import Database

    context: Context = ctx.obj
    database = Database.open(context.settings().database_url())
    before = schema.current(database)
    schema.upgrade(database)
    out.print(f"{database.dialect}: schema {before or 'none'} → {schema.current(database)}")


@db_app.command("current")
def db_current(ctx: typer.Context) -> None:
    """Show the schema of the database and the one this version needs. Exit 1 if they differ."""
    from tracking import schema
    from tracking.database import Database

    context: Context = ctx.obj
    database = Database.open(context.settings().database_url())
    found, needed = schema.current(database), schema.head()
    out.print(f"{database.dialect}: schema {found or 'none'}, this version needs {needed}")
    raise typer.Exit(0 if found == needed else 1)


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Try out disk, clock, database, decoders, model and every peer; say what to do about what fails."""
    context: Context = ctx.obj
    checks = list(examine(context.settings()))
    if as_json:
        show.as_json(checks)
    else:
        out.print(_table(checks))
    failed = sum(check.state == "failed" for check in checks)
    if failed:
        err.print(f"[bold red]{failed} failed[/]")
    raise typer.Exit(1 if failed else 0)


def _table(checks: list[Check]) -> Table:
    table = Table("check", "state", "found", "cure", header_style="bold")
    for check in checks:
        table.add_row(check.name, show.coloured(check.state), check.found, check.cure)
    return table

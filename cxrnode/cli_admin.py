"""Commands for the administrator: settings, database, doctor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from config.errors import SettingsError
from config.files import DEFAULT_FILE, REFERENCE_FILE
from cxrnode.command import Context, Json, err, out

if TYPE_CHECKING:
    from config.settings import Settings
    from cxrnode.doctor.check import Check

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
    except OSError as error:
        msg = f"{to}: cannot be written: {error.strerror}; give another name"
        raise SettingsError(msg) from None
    command = "cxrnode" if to == DEFAULT_FILE else f"cxrnode -c {to}"
    out.print(f"{to} written; edit it, then run:\n  {command} config check\n  {command} doctor\n  {command} serve",
              markup=False, highlight=False, soft_wrap=True)  # fmt: skip


@config_app.command("check")
def config_check(ctx: typer.Context) -> None:
    """Check the settings; every mistake is named with file, key and cure. Exit 3 if there is any."""
    from cxrnode.preflight import require_runnable

    context: Context = ctx.obj
    settings = context.settings()
    require_runnable(settings)
    where = context.config_file() or "defaults (no settings file)"
    names = ", ".join(f"{entry.name} ({entry.host}:{entry.port})" for entry in settings.destinations)
    out.print(f"[green]good[/]: {escape(str(where))}", highlight=False, soft_wrap=True)
    for key, value in (
        ("receives as", f"{settings.node.ae_title} on {settings.receive.host}:{_ports(settings)}"),
        ("takes from", "known peers only" if settings.receive.known_peers_only else "anyone who can connect"),
        ("delivers to", names or "nobody: results stay here"),
        ("keeps data in", settings.node.data_dir.absolute()),
    ):
        out.print(f"  {key:<13} {value}", markup=False, highlight=False, soft_wrap=True)


def _ports(settings: "Settings") -> str:
    tls, port = settings.node.tls, settings.receive.port
    if tls.certificate is None:
        return f"{port}, in the clear"
    return f"{port}, TLS alone" if tls.port is None else f"{port}, in the clear, and {tls.port}, TLS"


@config_app.command("show")
def config_show(ctx: typer.Context) -> None:
    """Print the settings in force as JSON: file, environment and defaults together; secrets are masked."""
    from cxrnode import show

    context: Context = ctx.obj
    show.as_json(context.settings().model_dump(mode="json"))


@db_app.command("upgrade")
def db_upgrade(ctx: typer.Context) -> None:
    """Create the tables, or bring an older database up to this version. Back it up first."""
    from tracking.engine import schema
    from tracking.engine.database import Database

    context: Context = ctx.obj
    database = Database.open(context.settings().database_url())
    before = schema.current(database)
    schema.upgrade(database)
    out.print(f"{database.dialect}: schema {before or 'none'} → {schema.current(database)}")


@db_app.command("check")
def db_check(
    ctx: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Make the rows that differ anew.")] = False,
) -> None:
    """Compare what lists say of every study with all that is on record. Exit 1 if anything differs."""
    from tracking.lists import standing

    context: Context = ctx.obj
    database = context.database()
    with database.reading() as read:
        differing = list(standing.drift(read))
    for uid in differing:
        out.print(uid, markup=False, highlight=False)
    if repair:
        for uid in differing:
            with database.transaction() as tx:
                standing.write(tx, [uid])
    said = f"{len(differing)} differ" if differing else "every study is listed as it stands"
    out.print(f"{said}{'; made anew' if differing and repair else ''}", markup=False, highlight=False)
    raise typer.Exit(1 if differing and not repair else 0)


@db_app.command("current")
def db_current(ctx: typer.Context) -> None:
    """Show the schema of the database and the one this version needs. Exit 1 if they differ."""
    from tracking.engine import schema
    from tracking.engine.database import Database

    context: Context = ctx.obj
    database = Database.open(context.settings().database_url())
    found, needed = schema.current(database), schema.head()
    out.print(f"{database.dialect}: schema {found or 'none'}, this version needs {needed}")
    raise typer.Exit(0 if found == needed else 1)


def doctor(
    ctx: typer.Context,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="For health checks: only disk, database, receiver, queue, deliveries and patients."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Try out disk, clock, database, audit log, decoders, model and every peer; say what to do about what fails.

    Exit 1 if a check failed and, without --quick, while a job or a delivery has stopped for good or a document is
    quarantined.
    """
    from cxrnode import show
    from cxrnode.doctor.examine import examine

    context: Context = ctx.obj
    checks = list(examine(context.settings(), quick=quick))
    if as_json:
        show.as_json(checks)
    else:
        out.print(_table(checks))
    failed = sum(check.state == "failed" for check in checks)
    # A health check restarts the node, which starts nothing again that waits for a person.
    stopped = [] if quick else [check.name for check in checks if check.stopped]
    if failed:
        err.print(f"[bold red]{failed} failed[/]")
    if stopped:
        err.print(f"[bold red]stopped for good, and waiting for you:[/] {', '.join(stopped)}", highlight=False)
    raise typer.Exit(1 if failed or stopped else 0)


def _table(checks: "list[Check]") -> Table:
    """Show each check; decoders that work are one row (``--json`` lists each)."""
    from cxrnode import show
    from cxrnode.doctor.machine import DECODER

    table = Table("check", "state", "found, and what to do", header_style="bold")
    working = [check for check in checks if check.name.startswith(DECODER) and check.state == "ok"]
    for check in checks:
        if check not in working:
            cure = f"\n[bold]→[/] {escape(check.cure)}" if check.cure else ""
            table.add_row(escape(check.name), show.coloured(check.state), f"{escape(check.found)}{cure}")
        elif check is working[0]:
            found = f"{len(working)} transfer syntaxes, a known frame of each was decoded"
            table.add_row("decoders", show.coloured("ok"), found)
    return table

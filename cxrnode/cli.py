"""The command line. Each command loads only the rooms it needs, so that ``cxrnode --help`` is quick.

Exit codes: 0 done · 1 done, and the answer is no (a check failed, a delivery stopped, the log is broken) ·
2 the command line is wrong · 3 the settings are wrong · 4 try again later (a peer or the database is away, the disk
is full) · 130 interrupted.
"""

import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cxrnode.command import Context, err, out
from cxrnode.command_help import CommandsByPanel
from cxrnode.failures import INTERRUPTED_EXIT_CODE, failure_of

app = typer.Typer(
    name="cxrnode",
    help="A DICOM node that reads chest radiographs with AI and reports to PACS and RIS. Research use only.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    cls=CommandsByPanel,
)


def version(value: bool) -> None:
    """Print the version and stop."""
    if value:
        from importlib.metadata import version as installed

        out.print(f"cxrnode {installed('cxrnode')}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings file; else $CXRNODE_CONFIG, else ./cxrnode.toml.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Hold the options that all commands share."""
    from config.logs import configure_logs
    from config.settings import LogSettings

    # What a command prints is its answer: only errors are logged beside it, and never into it.
    configure_logs(LogSettings(level="error"), "cli")
    ctx.obj = Context(config)


@cache
def _assemble() -> None:
    """Add every command to the app, once."""
    from cxrnode import (
        cli_act,
        cli_admin,
        cli_analyse,
        cli_curve,
        cli_data,
        cli_demo,
        cli_ensemble,
        cli_evaluate,
        cli_experiments,
        cli_feedback,
        cli_points,
        cli_reconcile,
        cli_recover,
        cli_services,
        cli_site_report,
        cli_studies,
        cli_train,
        cli_users,
    )

    rooms = (
        cli_services,
        cli_analyse,
        cli_studies,
        cli_feedback,
        cli_act,
        cli_reconcile,
        cli_train,
        cli_experiments,
        cli_curve,
        cli_ensemble,
        cli_evaluate,
        cli_site_report,
        cli_data,
    )
    for commands in (*rooms, cli_admin, cli_points, cli_recover, cli_users, cli_demo):
        commands.register(app)


def main() -> None:
    """Run the command line; turn our errors into one message and an exit code."""
    if sys.argv[1:] == ["--version"]:  # which needs no command
        with suppress(typer.Exit):
            version(value=True)
        return
    _assemble()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT_CODE)
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        err.print(f"[bold red]{failure.kind}:[/] {escape(failure.message)}", highlight=False, soft_wrap=True)
        sys.exit(failure.exit_code)

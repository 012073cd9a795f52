"""Commands that run services, and the one that sends files like a modality."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cxrnode import show
from cxrnode.cli import Context, Json, out
from cxrnode.service import SERVICES, run
from cxrnode.supervise import Supervisor


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Services")(serve)
    app.command(rich_help_panel="Services")(receive)
    app.command(rich_help_panel="Services")(work)
    app.command(rich_help_panel="Services")(deliver)
    app.command(rich_help_panel="DICOM")(send)


def serve(ctx: typer.Context) -> None:
    """Run all services on this machine; restart any that dies."""
    context: Context = ctx.obj
    raise typer.Exit(Supervisor(context.settings(), context.config_file()).run())


def receive(ctx: typer.Context) -> None:
    """Run the Storage SCP alone."""
    _run(ctx, "receive")


def work(ctx: typer.Context) -> None:
    """Run the worker alone: analyse studies and build their documents."""
    _run(ctx, "work")


def deliver(ctx: typer.Context) -> None:
    """Run the deliverer alone: bring documents to their destinations."""
    _run(ctx, "deliver")


def _run(ctx: typer.Context, name: str) -> None:
    context: Context = ctx.obj
    run(name, context.settings(), SERVICES[name])


def send(
    files: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.", exists=True)],
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="Where to send.")],
    called: Annotated[str, typer.Option(help="Their AE title.")] = "CXRNODE",
    calling: Annotated[str, typer.Option(help="Our AE title.")] = "CXRSEND",
    as_json: Json = False,
) -> None:
    """Send DICOM files with C-STORE, as a modality would, in the transfer syntax they are in."""
    from dicom_node import send as storage

    host, _, port = to.rpartition(":")
    if not host or not port.isdigit():
        msg = "give HOST:PORT, for example 127.0.0.1:11112"
        raise typer.BadParameter(msg, param_hint="--to")
    paths = sorted(
        {path for file in files for path in (file.rglob("*") if file.is_dir() else [file]) if path.is_file()}
    )
    target = storage.Target(host=host, port=int(port), called_ae=called, calling_ae=calling)
    outcomes = storage.store(paths, target)
    if as_json:
        show.as_json(outcomes)
    else:
        table = Table("file", "SOP instance", "status", "meaning", header_style="bold")
        for outcome in outcomes:
            colour = "green" if outcome.stored else "red"
            table.add_row(
                outcome.path.name, outcome.instance_uid, f"[{colour}]{outcome.status_text}[/]", outcome.message
            )
        out.print(table)
    raise typer.Exit(0 if outcomes and all(outcome.stored for outcome in outcomes) else 1)

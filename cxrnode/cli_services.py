"""Commands that run services, and the one that sends files like a modality."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cxrnode.command import Context, Json, out

if TYPE_CHECKING:
    from dicom_node.storage_scu.answers import StoreOutcome
    from dicom_node.storage_scu.target import Target


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Services")(serve)
    app.command(rich_help_panel="Services")(receive)
    app.command(rich_help_panel="Services")(work)
    app.command(rich_help_panel="Services")(deliver)
    app.command(rich_help_panel="Services")(console)
    app.command(rich_help_panel="DICOM")(send)


def serve(ctx: typer.Context) -> None:
    """Run all services on this machine; restart any that dies."""
    from cxrnode.supervise import Supervisor

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


def console(ctx: typer.Context) -> None:
    """Run the web pages alone: worklist, studies, audit log, destinations."""
    _run(ctx, "console")


def _run(ctx: typer.Context, name: str) -> None:
    from config.load import load_settings
    from cxrnode.service import SERVICES, run

    context: Context = ctx.obj
    run(name, context.settings(), SERVICES[name], lambda: load_settings(context.config_file()))


def send(
    files: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.", exists=True)],
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="Where to send.")],
    called: Annotated[str, typer.Option(help="Their AE title.")] = "CXRNODE",
    calling: Annotated[str, typer.Option(help="Our AE title.")] = "CXRSEND",
    tls_ca: Annotated[
        Path | None, typer.Option(help="Speak TLS; file with the authorities of their certificate.", exists=True)
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="Our certificate, over TLS.", exists=True)] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.", exists=True)] = None,
    tls_server_name: Annotated[str, typer.Option(help="What their certificate names; by default HOST.")] = "",
    as_json: Json = False,
) -> None:
    """Send DICOM files with C-STORE, as a modality would, in the transfer syntax they are in."""
    from pydantic import TypeAdapter, ValidationError

    from config.certificates import ClientTls
    from config.section import AETitle, Host, PeerPort
    from cxrnode import show
    from dicom_node.storage_scu import send as storage
    from dicom_node.storage_scu.target import Target

    name, _, number = to.rpartition(":")
    try:
        host, port = TypeAdapter(Host).validate_python(name), TypeAdapter(PeerPort).validate_python(number)
    except ValidationError:
        msg = "give HOST:PORT, for example 127.0.0.1:11112"
        raise typer.BadParameter(msg, param_hint="--to") from None
    paths = sorted(
        {path for file in files for path in (file.rglob("*") if file.is_dir() else [file]) if path.is_file()}
    )
    if (tls_certificate is None) != (tls_key is None) or (tls_ca is None and tls_certificate is not None):
        msg = "give --tls-ca, and --tls-certificate and --tls-key together or neither"
        raise typer.BadParameter(msg)
    tls = None if tls_ca is None else ClientTls(tls_server_name or host, tls_ca, tls_certificate, tls_key)
    target = Target(host=host, port=port, called_ae=called, calling_ae=calling, tls=tls)
    for option, title in (("--called", called), ("--calling", calling)):
        try:
            TypeAdapter(AETitle).validate_python(title)
        except ValidationError:
            msg = "an AE title has 1 to 16 printable ASCII characters and no backslash"
            raise typer.BadParameter(msg, param_hint=option) from None
    if not paths:
        msg = "there is no file to send in what was named"
        raise typer.BadParameter(msg, param_hint="FILES")
    outcomes = storage.store(paths, target)
    if as_json:
        show.as_json(outcomes)
    else:
        out.print(_sent_table(outcomes, target))
        stored = sum(outcome.stored for outcome in outcomes)
        out.print(f"{stored} of {len(outcomes)} stored by {target.name}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if all(outcome.stored for outcome in outcomes) else 1)


def _sent_table(outcomes: "Sequence[StoreOutcome]", target: "Target") -> Table:
    table = Table("file", "status", "meaning", header_style="bold")
    for outcome in outcomes:
        colour = "green" if outcome.stored else "red"
        meaning = escape(outcome.message.removeprefix(f"{target.name} "))
        uid = f"\n[dim]{escape(outcome.instance_uid)}[/]" if outcome.instance_uid else ""
        table.add_row(
            Text(outcome.path.name, overflow="fold"), f"[{colour}]{outcome.status_text}[/]", f"{meaning}{uid}"
        )
    return table

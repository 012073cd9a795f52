"""``cxrnode reconcile``: what came in on a day, what became of it, and each gap with the command that mends it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cxrnode.command import Context, Json, out

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from config.settings import Settings
    from tracking.lists.reconciliation import Reconciliation


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Studies")(reconcile)


def reconcile(
    ctx: typer.Context,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the studies' last images; today by default.")
    ] = None,
    peer: Annotated[
        str, typer.Option(help="A sender, by AE title or its name in [[peers]], or a destination, by name.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Compare what came in on a day with what was reported, delivered and confirmed; name each gap and its cure.

    Exits 1 where there is a gap.
    """
    from console.spans import span_of_day
    from cxrnode import show
    from tracking.lists import reconciliation

    context: Context = ctx.obj
    settings = context.settings()
    span = span_of_day((day or datetime.now().astimezone()).date())
    with context.database().reading() as read:
        calling_ae, destination = _peer(read, settings, peer)
        found = reconciliation.reconcile(read, span, calling_ae=calling_ae, destination=destination)
    if as_json:
        show.as_json(found)
    else:
        _print(found)
    if found.gaps:
        raise typer.Exit(1)


def _peer(read: "Session", settings: "Settings", peer: str) -> tuple[str, str]:
    """Return the AE title of a sender, or the name of a destination; raise BadParameter where nobody is called so."""
    from sqlalchemy import select

    from tracking.engine.distinct import distinct_values
    from tracking.tables.models import Delivery
    from tracking.tables.standing_models import Standing

    if not peer:
        return "", ""
    destinations = {entry.name for entry in settings.destinations}
    destinations.update(read.scalars(distinct_values(Delivery.destination)))
    if peer in destinations:
        return "", peer
    named = {entry.name: entry.ae_title.strip() for entry in settings.peers}
    calling_ae = named.get(peer, peer)
    came = read.scalar(select(Standing.study_uid).where(Standing.calling_ae == calling_ae).limit(1))
    if came is None and calling_ae not in named.values():
        known = ", ".join(sorted(destinations | {*named})) or "none"
        msg = f"{peer!r} never sent a study and is no destination; the settings have {known}"
        raise typer.BadParameter(msg, param_hint="--peer")
    return calling_ae, ""


def _print(found: "Reconciliation") -> None:
    counts = Table.grid(padding=(0, 2))
    counts.add_row("received", str(found.received))
    counts.add_row("analysed", str(found.analysed))
    reasons = ", ".join(f"{escape(reason)} {count}" for reason, count in found.reasons.items())
    counts.add_row("not analysed", f"{found.not_analysed}{f' (images: {reasons})' if reasons else ''}")
    counts.add_row("withdrawn or rejected", str(found.taken_out))
    counts.add_row("reported", str(found.reported))
    counts.add_row("delivered", str(found.delivered))
    counts.add_row("confirmed", str(found.confirmed))
    out.print(counts)
    if not found.gaps:
        out.print("[green]no gap[/]")
        return
    gaps = Table("study", "lacks", "why", "command", header_style="bold")
    for gap in found.gaps:
        where = f" at {escape(gap.destination)}" if gap.destination else ""
        gaps.add_row(
            Text(gap.study_uid, overflow="fold"), f"{gap.lacks}{where}", escape(gap.why),
            Text(gap.mend, overflow="fold"),
        )  # fmt: skip
    out.print(gaps)

"""Commands that act on what was said about a study: send it again, take it back, have it said anew."""

from collections.abc import Mapping
from typing import Annotated

import typer

from cxrnode.command import Context, operator, out

StudyUid = Annotated[str, typer.Argument(help="Study Instance UID.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Studies")(resend)


def resend(
    ctx: typer.Context,
    uid: StudyUid,
    destination: Annotated[str | None, typer.Option(help="Only to this destination.")] = None,
) -> None:
    """Send the documents of a study again, the same bytes under the same UIDs: a destination lost them."""
    from tracking import resending

    context: Context = ctx.obj
    with context.database().transaction() as tx:
        outcome = resending.resend_study(tx, uid, destination=destination, user=operator())
    say(f"study {uid}: {resent_words(outcome.queued, outcome.waiting, outcome.quarantined)}")


def resent_words(queued: Mapping[str, int], waiting: Mapping[str, int], quarantined: int) -> str:
    """Say what sending again came to."""
    from cxrnode.show import count

    parts = [f"{count(number, 'document')} to {name} queued again" for name, number in queued.items()]
    parts += [f"{count(number, 'document')} to {name} waiting already" for name, number in waiting.items()]
    parts += [f"{count(quarantined, 'document')} left out, quarantined"] if quarantined else []
    return "; ".join(parts)


def say(answer: str) -> None:
    """Print an answer as it is."""
    out.print(answer, markup=False, highlight=False, soft_wrap=True)

"""Commands that act on what was said about a study: send it again, take it back, have it said anew."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from cxrnode.command import Context, operator, out
from tracking.reasons import Reason

if TYPE_CHECKING:
    from tracking.withdrawal import Withdrawal

StudyUid = Annotated[str, typer.Argument(help="Study Instance UID.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Studies")(resend)
    app.command(rich_help_panel="Studies")(withdraw)


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


def withdraw(
    ctx: typer.Context,
    uid: StudyUid,
    why: Annotated[str, typer.Option("--why", help="Why; it stands in the audit log, so name no patient.")],
    reason: Annotated[
        Reason, typer.Option(help="quality (113001), or safety (113037): never true of this patient.")
    ] = Reason.QUALITY,
) -> None:
    """Take back what was said about a study: what waits does not leave, and whoever has it is told.

    What comes later for the study, a late image or `cxrnode reanalyse`, is a new result under new UIDs.
    """
    from tracking import rejections, withdrawal

    context: Context = ctx.obj
    told = rejections.told_by(context.settings())
    with context.database().transaction() as tx:
        outcome = withdrawal.withdraw_study(tx, uid, reason=reason, why=why, told=told, user=operator())
    say(f"study {uid}: {withdrawn_words(outcome)}")


def withdrawn_words(outcome: "Withdrawal") -> str:
    """Say what a withdrawal came to."""
    from cxrnode.show import count

    parts = ["withdrawn" if outcome.changed else "withdrawn already, nothing changed"]
    parts += [f"{count(outcome.dropped, 'document')} will not be sent"] if outcome.dropped else []
    parts += [f"a note to {name} takes back {count(number, 'document')}" for name, number in outcome.taken_back.items()]
    parts += [
        f"{count(number, 'document')} at {name} to be removed there, as it is told no rejection notes"
        for name, number in outcome.left.items()
    ]
    return "; ".join(parts)


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

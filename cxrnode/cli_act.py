"""Commands that act on what was said about a study: send it again, take it back, have it said anew."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cxrnode.cli_studies import study_app
from cxrnode.command import Context, Json, operator, out
from tracking.outbox.reasons import Reason

if TYPE_CHECKING:
    from inference.worker import Examiner
    from tracking.engine.database import Database
    from tracking.results.image_results import AnalyserIdentity

_DAY = "%Y-%m-%d"
destination_app = typer.Typer(help="Pause a destination, and resume it.", no_args_is_help=True)
DestinationName = Annotated[str, typer.Argument(metavar="NAME", help="As in the settings.")]
StudyUid = Annotated[str, typer.Argument(help="Study Instance UID.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Studies")(resend)
    app.command(rich_help_panel="Studies")(withdraw)
    app.command(rich_help_panel="Studies")(reanalyse)
    app.command(rich_help_panel="Studies")(urgent)
    app.add_typer(destination_app, name="destination", rich_help_panel="Administration")


def resend(
    ctx: typer.Context,
    uid: StudyUid,
    destination: Annotated[str | None, typer.Option(help="Only to this destination.")] = None,
) -> None:
    """Send the documents of a study again, the same bytes under the same UIDs: a destination lost them."""
    from tracking.lists import act_words
    from tracking.outbox import resending

    context: Context = ctx.obj
    with context.database().transaction() as tx:
        outcome = resending.resend_study(tx, uid, destination=destination, user=operator())
    say(f"study {uid}: {act_words.resent(outcome)}")


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
    from tracking.lists import act_words
    from tracking.outbox import rejections, withdrawal

    context: Context = ctx.obj
    told = rejections.told_by(context.settings())
    with context.database().transaction() as tx:
        outcome = withdrawal.withdraw_study(tx, uid, reason=reason, why=why, told=told, user=operator())
    say(f"study {uid}: {act_words.withdrawn(outcome)}")


def reanalyse(
    ctx: typer.Context,
    uids: Annotated[list[str] | None, typer.Argument(help="Study Instance UIDs.", metavar="[STUDY]…")] = None,
    patient: Annotated[str, typer.Option(help="The studies of this Patient ID.")] = "",
    first: Annotated[
        datetime | None, typer.Option("--from", formats=[_DAY], help="Arrived on this day or later.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[_DAY], help="Arrived on this day or earlier.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change; stores nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Have studies analysed anew, after all other work; the new results supersede the old ones.

    Of a patient or of days, only studies that the model and settings of today have not answered yet: the command can be
    given again after it was interrupted. Studies that are named are analysed anew in any case.
    """
    from inference.worker import CurrentExaminer, Examiner
    from tracking.results import reanalysis

    context: Context = ctx.obj
    choice = reanalysis.Choice(patient, first.date() if first else None, last.date() if last else None)
    if not uids and choice == reanalysis.Choice():
        msg = "name studies, or give --patient, --from or --to"
        raise typer.BadParameter(msg)
    settings, database = context.settings(), context.database()
    ranged = choice != reanalysis.Choice()
    with database.reading() as read:
        studies = reanalysis.chosen(read, uids or [], choice if ranged else None)
    examiner = CurrentExaminer(Examiner(settings), database).now() if dry_run or ranged else None
    if dry_run and examiner is not None:
        _say_what_would_change(database, studies, examiner, as_json=as_json)
        return
    counts = Counter(
        _begin(database, uid, None if uid in (uids or []) or examiner is None else examiner.identity, alone=not ranged)
        for uid in studies
    )
    if as_json:
        from cxrnode import show

        show.as_json(dict(counts))
        return
    words = {
        "begun": "to be analysed anew", "due": "due already", "same": "answered by this model and settings already",
        "refused": "left out, in conflict or without an image",
    }  # fmt: skip
    parts = [f"{number} {text}" for key, text in words.items() if (number := counts[key])]
    say(f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}: {'; '.join(parts) or 'none was chosen'}")


def _begin(database: "Database", uid: str, unless: "AnalyserIdentity | None", *, alone: bool) -> str:
    """Let one study be analysed anew, in a transaction of its own; say what came of it."""
    from config.errors import ActionRefused
    from tracking.results import reanalysis

    try:
        with database.transaction() as tx:
            return reanalysis.reanalyse_study(tx, uid, user=operator(), unless_said_by=unless).value
    except ActionRefused:
        if alone:
            raise
        return "refused"


def _say_what_would_change(
    database: "Database", studies: Sequence[str], examiner: "Examiner", *, as_json: bool
) -> None:
    """Examine the images of studies without storing anything, and say which classes would be others."""
    from cxrnode import show
    from inference import result_changes

    changed, changes, unreadable = 0, [], 0
    for uid in studies:
        try:
            found = result_changes.compare_study(database, uid, examiner)
        except OSError:
            unreadable += 1
            continue
        changed += bool(found)
        changes += found
    counted = result_changes.count_changes(changes)
    if as_json:
        table = [
            {"finding": key[0], "before": key[1], "after": key[2], "count": count} for key, count in counted.items()
        ]
        show.as_json({"studies": len(studies), "change": changed, "unreadable": unreadable, "changes": table})
        return
    for (label, before, after), count in counted.items():
        say(f"{count:6}  {label or 'image'}: {before} → {after}")
    more = f"; {unreadable} cannot be read" if unreadable else ""
    say(f"{changed} of {len(studies)} studies would change{more}; nothing was stored")


def urgent(ctx: typer.Context, uid: StudyUid) -> None:
    """Let the work on a study come before all other: analysis, documents and deliveries."""
    from tracking.jobs import priorities

    context: Context = ctx.obj
    with context.database().transaction() as tx:
        marked = priorities.mark_urgent(tx, uid, user=operator())
    say(f"study {uid}: {'urgent' if marked else 'urgent already, nothing changed'}")


@destination_app.command("pause")
def destination_pause(ctx: typer.Context, name: DestinationName) -> None:
    """Send nothing to a destination until it is resumed; what is due waits, however long."""
    from tracking.outbox import pauses

    context: Context = ctx.obj
    known = {entry.name for entry in context.settings().destinations}
    with context.database().transaction() as tx:
        paused = pauses.pause_destination(tx, name, configured=known, user=operator())
    say(f"destination {name}: {'paused' if paused else 'paused already, nothing changed'}")


@destination_app.command("resume")
def destination_resume(ctx: typer.Context, name: DestinationName) -> None:
    """Send what waits for a destination that was paused."""
    from tracking.outbox import pauses

    context: Context = ctx.obj
    known = {entry.name for entry in context.settings().destinations}
    with context.database().transaction() as tx:
        resumed = pauses.resume_destination(tx, name, configured=known, user=operator())
    say(f"destination {name}: {'resumed' if resumed else 'not paused, nothing changed'}")


@study_app.command("delete")
def study_delete(
    ctx: typer.Context,
    uid: StudyUid,
    why: Annotated[str, typer.Option("--why", help="Why; it stands in the audit log, so name no patient.")],
) -> None:
    """Delete a study that has nothing left to do, with its files; the audit log keeps its lines."""
    from tracking.lists import act_words
    from tracking.studies import deletion

    context: Context = ctx.obj
    settings = context.settings()
    stores = deletion.Stores(settings.instance_dir, settings.document_dir)
    with context.database().transaction() as tx:
        outcome = deletion.delete_study(tx, uid, why=why, stores=stores, user=operator())
    say(f"study {uid}: {act_words.deleted(outcome)}")


def say(answer: str) -> None:
    """Print an answer as it is."""
    out.print(answer, markup=False, highlight=False, soft_wrap=True)

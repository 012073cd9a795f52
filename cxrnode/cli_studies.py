"""Commands about studies: what there is, what happened to one, starting again what stopped; and the audit log."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from config.errors import ActionRefused, ConfirmationNeeded
from cxrnode.command import Context, Json, WithDefault, err, operator, out
from tracking.lists.counted import count
from tracking.lists.study_filter import STATUSES, Order, StudyFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracking.engine.database import Database
    from tracking.lists.summaries import StudySummary
    from tracking.outbox.left_behind import LeftBehind
    from tracking.outbox.rejections import Told
    from tracking.studies.corrections import Acceptance

_DAY = "%Y-%m-%d"
_CONFIRMATION = "other patient"

study_app = typer.Typer(
    cls=WithDefault, help="Show one study (`cxrnode study UID`), or decide whose images it holds.", no_args_is_help=True
)
audit_app = typer.Typer(help="The audit log: read it, check it, hand it on.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Studies")(studies)
    app.add_typer(study_app, name="study", rich_help_panel="Studies")
    app.command(rich_help_panel="Studies")(retry)
    app.add_typer(audit_app, name="audit", rich_help_panel="Studies")


def _status(value: str) -> str:
    if value and value not in STATUSES:
        msg = f"{value!r} is none of {', '.join(STATUSES)}"
        raise typer.BadParameter(msg)
    return value


def studies(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    patient: Annotated[str, typer.Option(help="How the Patient ID or the patient's name begins.")] = "",
    accession: Annotated[str, typer.Option(help="How the accession number begins.")] = "",
    first: Annotated[
        datetime | None, typer.Option("--from", formats=[_DAY], help="Arrived on this day or later.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[_DAY], help="Arrived on this day or earlier.")
    ] = None,
    status: Annotated[str, typer.Option(callback=_status, help=f"Where it stands: {', '.join(STATUSES)}.")] = "",
    finding: Annotated[str, typer.Option(help="Label of a stated finding, present or undetermined.")] = "",
    urgent: Annotated[bool, typer.Option("--urgent", help="Urgent studies only.")] = False,
    order: Annotated[Order, typer.Option(help="Order, and what --from and --to are dates of.")] = Order.ARRIVAL,
    as_json: Json = False,
) -> None:
    """List studies: what came in, what was found, where it stands."""
    from cxrnode import show
    from tracking.lists import study_condition, worklist

    context: Context = ctx.obj
    which = StudyFilter(
        patient=patient, accession=accession, status=status, finding=finding, urgent=urgent,
        first=first.date() if first else None, last=last.date() if last else None,
    )  # fmt: skip
    with context.database().reading() as read:
        found = worklist.list_studies(read, which, order=order, limit=limit)
        total = worklist.count_studies(read, which, order=order)
    if as_json:
        show.as_json(found)
        return
    out.print(show.StudiesTable(found))
    most = study_condition.COUNTED_UP_TO
    count = f"more than {most}" if total > most else str(total)
    out.print(f"{len(found)} of {count} studies · findings are AI results, not verified; research use")
    _print_decisions(found)


@study_app.command("show")
def study(
    ctx: typer.Context,
    uid: Annotated[str, typer.Argument(help="Study Instance UID.")],
    as_json: Json = False,
) -> None:
    """Show what happened to one study, step by step."""
    from cxrnode import show
    from tracking.audit_log import audit
    from tracking.lists import queries
    from tracking.outbox.left_behind import left_behind

    context: Context = ctx.obj
    with context.database().reading() as read:
        found = queries.find_study(read, uid)
        images = queries.instances(read, uid)
        history = list(audit.lines(read, study_uid=uid))
        behind = left_behind(read, uid)
    if found is None:
        err.print(f"no study {uid} is on record; `cxrnode studies` lists them", markup=False, highlight=False)
        raise typer.Exit(1)
    if as_json:
        show.as_json({"study": found, "images": images, "left_behind": behind, "history": history})
        return
    _print_study(found)
    _say_left_behind(behind)
    out.print(show.images_table(images, found))
    if found.documents:
        out.print(show.documents_table(found))
    out.print(show.audit_table(history))


def _say_left_behind(behind: "Sequence[LeftBehind]") -> None:
    """Name what destinations have of results that do not hold any more: nobody else removes it."""
    if not behind:
        return
    err.print("[bold red]delivered before and void now, to be removed where it is:[/]", highlight=False)
    for entry in behind:
        err.print(f"  {entry.kind} {entry.document_uid} at {entry.destination}", markup=False, highlight=False,
                  soft_wrap=True)  # fmt: skip


def _print_study(found: "StudySummary") -> None:
    from cxrnode import show

    words = Table.grid(padding=(0, 2))
    words.add_row("status", show.coloured(found.status))
    if found.kind == "upload":
        words.add_row("kind", "upload, not received from a modality")
    words.add_row("accession", escape(found.accession_number) or "–")
    rejected = f" · {found.rejected} rejected" if found.rejected else ""
    words.add_row("images", f"{found.instances}{rejected} · revision {found.revision}")
    words.add_row("model", found.model or "–")
    words.add_row("analysed", show.moment(found.analysed_at))
    words.add_row("outcome", show.outcome_text(found))
    out.print(Panel(words, title=found.study_uid, title_align="left"))
    _print_decisions([found])


def _print_decisions(found: "Sequence[StudySummary]") -> None:
    """Print the commands that decide whose images studies hold, whole, so that they can be copied."""
    from cxrnode import show

    commands = show.decisions(found)
    if commands:
        out.print("[yellow]to decide[/], with one of these commands:", highlight=False)
    for command in commands:
        _say(f"  {command}")


StudyUid = Annotated[str, typer.Argument(help="Study Instance UID.")]
InstanceUid = Annotated[str, typer.Option("--instance", help="SOP Instance UID of the image.")]


@study_app.command("resolve")
def study_resolve(
    ctx: typer.Context,
    uid: StudyUid,
    patient: Annotated[str, typer.Option("--patient", help="Patient ID whose images stay; the others are rejected.")],
    issuer: Annotated[
        str | None, typer.Option("--issuer", help="Issuer of that Patient ID, where two are named.")
    ] = None,
) -> None:
    """End a conflict: say which patient the study is of.

    Images of others are kept on disk and never analysed.
    """
    from tracking.outbox.left_behind import left_behind
    from tracking.outbox.rejections import told_by
    from tracking.studies import corrections

    context: Context = ctx.obj
    told = told_by(context.settings())
    with context.database().transaction() as tx:
        outcome = corrections.resolve_study(tx, uid, patient, issuer, told=told, user=operator())
        behind = left_behind(tx, uid)
    if not outcome.changed:
        _say(f"study {uid}: resolved that way already, nothing changed")
        return
    kept, rejected = count(len(outcome.kept), "image"), count(len(outcome.rejected), "image")
    _say(f"study {uid}: {kept} of that patient will be analysed, {rejected} rejected")
    _say_left_behind(behind)


@study_app.command("reject")
def study_reject(
    ctx: typer.Context,
    uid: StudyUid,
    instance: InstanceUid,
    kept_aside: Annotated[
        bool, typer.Option("--kept-aside", help="Not the image, but files that came later under its UID.")
    ] = False,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="With --kept-aside: how the digest of the only file meant begins.")
    ] = None,
) -> None:
    """Take one image out of a study: kept on disk, never analysed, in no document."""
    from tracking.outbox.rejections import told_by
    from tracking.studies import corrections

    if sha256 is not None and not kept_aside:
        msg = "it says which of the files kept aside is meant; give --kept-aside, too"
        raise typer.BadParameter(msg, param_hint="--sha256")
    context: Context = ctx.obj
    user, told = operator(), told_by(context.settings())
    with context.database().transaction() as tx:
        if kept_aside:
            dismissed = corrections.dismiss_kept_aside(tx, uid, instance, sha256=sha256, user=user)
            answer = f"{count(dismissed, 'file')} dismissed" if dismissed else "no file waits, nothing changed"
        else:
            rejected = corrections.reject_instance(tx, uid, instance, told=told, user=user)
            answer = "rejected" if rejected else "rejected already, nothing changed"
    _say(f"image {instance}: {answer}")


@study_app.command("accept")
def study_accept(
    ctx: typer.Context,
    uid: StudyUid,
    instance: InstanceUid,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="How the file's digest begins, where several were kept aside.")
    ] = None,
    other_patient: Annotated[
        bool,
        typer.Option("--yes-other-patient", help="It is meant that the file names another patient or another study."),
    ] = False,
) -> None:
    """Let a corrected image that came under a known UID take the place of the one that stands.

    The study is analysed again, and its new documents supersede what was said before. A file that names another
    patient or another study is taken only with --yes-other-patient, or after a word typed on a terminal.
    """
    from tracking.outbox.left_behind import left_behind
    from tracking.outbox.rejections import told_by

    context: Context = ctx.obj
    database, told = context.database(), told_by(context.settings())
    try:
        outcome = _accept(database, uid, instance, sha256, other_patient=other_patient, told=told)
    except ConfirmationNeeded as asked:
        _confirm(asked)
        outcome = _accept(database, uid, instance, asked.sha256, other_patient=True, told=told)
    with database.reading() as read:
        behind = [entry for study_uid in {uid, outcome.study_uid} for entry in left_behind(read, study_uid)]
    if not outcome.changed:
        _say(f"image {instance}: accepted already, nothing changed")
        return
    moved = f" and moves to study {outcome.study_uid}" if outcome.study_uid != uid else ""
    _say(f"image {instance}: the other file stands now{moved}; the study will be analysed again")
    _say_left_behind(behind)


def _accept(
    database: "Database", uid: str, instance: str, sha256: str | None, *, other_patient: bool, told: "Told"
) -> "Acceptance":
    from tracking.studies import corrections

    with database.transaction() as tx:
        return corrections.accept_instance(
            tx, uid, instance, sha256=sha256, other_patient=other_patient, told=told, user=operator()
        )  # fmt: skip


def _confirm(asked: ConfirmationNeeded) -> None:
    """Ask on a terminal whether what would happen is meant; raise what was asked anywhere else, and after a no."""
    if not sys.stdin.isatty():
        msg = f"{asked}; give --yes-other-patient if that is meant"
        raise ActionRefused(msg) from asked
    err.print(str(asked), markup=False, highlight=False, soft_wrap=True)
    if typer.prompt(f"Type {_CONFIRMATION!r} to do it", err=True, default="", show_default=False) != _CONFIRMATION:
        msg = "nothing was typed that says so, and nothing has changed"
        raise ActionRefused(msg) from None


def _say(answer: str) -> None:
    out.print(answer, markup=False, highlight=False, soft_wrap=True)


def retry(
    ctx: typer.Context,
    uid: Annotated[str | None, typer.Argument(help="Study Instance UID.")] = None,
    destination: Annotated[str | None, typer.Option(help="Everything bound for this destination.")] = None,
) -> None:
    """Start again what stopped or waits, for a study or a destination, now."""
    from tracking.jobs import maintenance
    from tracking.outbox import deliveries

    if (uid is None) == (destination is None):
        msg = "give a study UID or --destination NAME"
        raise typer.BadParameter(msg)
    context: Context = ctx.obj
    with context.database().transaction() as tx:
        started = deliveries.retry_deliveries(tx, destination=destination, study_uid=uid, user=operator())
        if uid is not None:
            started += maintenance.retry_study(tx, uid, user=operator())
    what = f"study {uid}" if uid is not None else f"destination {destination}"
    if started:
        out.print(f"{what}: {started} started again", markup=False, highlight=False, soft_wrap=True)
        return
    err.print(f"{what}: nothing stopped or waits there; `cxrnode studies` and `cxrnode doctor` show what does",
              markup=False, highlight=False, soft_wrap=True)  # fmt: skip
    raise typer.Exit(1)


@audit_app.command("list")
def audit_list(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many lines, the newest.")] = 50,
    uid: Annotated[str | None, typer.Option("--study", help="Only this Study Instance UID.")] = None,
    as_json: Json = False,
) -> None:
    """Show the newest lines of the audit log."""
    from cxrnode import show
    from tracking.audit_log import audit
    from tracking.audit_log.audit import AuditEventType

    context: Context = ctx.obj
    database = context.database()
    with database.reading() as read:
        lines = audit.last_lines(read, limit, study_uid=uid)
    with database.transaction() as tx:
        # What was asked for is written down only if it is a study's: whoever looks may have typed a name.
        known = uid if lines else None
        audit.append(tx, AuditEventType.AUDIT_READ, study_uid=known, detail={"how": "list", "lines": len(lines)})
    if as_json:
        show.as_json(lines)
    else:
        out.print(show.audit_table(lines))


@audit_app.command("verify")
def audit_verify(
    ctx: typer.Context,
    head: Annotated[str | None, typer.Option(help="A head hash noted earlier; it must still be in the log.")] = None,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", help="File of `cxrnode audit anchor`; else audit.anchor_file.")
    ] = None,
    store: Annotated[bool, typer.Option("--store", help="Compare the files on disk with the database, too.")] = False,
    contents: Annotated[bool, typer.Option("--contents", help="With --store: read every file, too.")] = False,
    after: Annotated[str, typer.Option(help="With --store: go on behind this path.")] = "",
    as_json: Json = False,
) -> None:
    """Check every line's hash: edited, deleted, moved or cut-off lines are found. Exit 1 if there are any."""
    from cxrnode import show, verify

    context: Context = ctx.obj
    verification = verify.verify(
        context.settings(), context.database(), head=head, anchors=anchors,
        store=store or contents or bool(after), contents=contents, after=after,
    )  # fmt: skip
    if as_json:
        show.as_json(verification.as_json())
    else:
        for line in verify.in_words(verification):
            out.print(line, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if verification.good else 1)


@audit_app.command("anchor")
def audit_anchor(
    ctx: typer.Context,
    to: Annotated[Path | None, typer.Argument(help="File to add to; else audit.anchor_file.")] = None,
) -> None:
    """Note the head of the log in a file outside the database, for `cxrnode audit verify` to find a shortened log."""
    from tracking.audit_log import anchor

    context: Context = ctx.obj
    file = to or context.settings().audit.anchor_file
    if file is None:
        msg = "give a file, or set audit.anchor_file"
        raise typer.BadParameter(msg)
    with context.database().reading() as read:
        head = anchor.current(read)
        lost = anchor.lost(read, anchor.read_anchors(file)) if file.exists() else None
    if lost is not None:
        answer = f"nothing added: the log lacks line {lost.seq} of {lost.at}; `cxrnode audit verify` says more"
        err.print(f"{file}: {answer}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    anchor.append_anchor(file, head)
    _say(f"{file}: line {head.seq}, {head.hash}")


@audit_app.command("export")
def audit_export(
    ctx: typer.Context,
    to: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.")],
    form: Annotated[
        str, typer.Option("--format", help="jsonl: our lines; atna: DICOM audit messages in XML.")
    ] = "jsonl",
    after: Annotated[int, typer.Option(help="Only lines with a higher number.")] = 0,
) -> None:
    """Write the audit log to a file, whole or from a line on."""
    from tracking.audit_log import audit, export
    from tracking.audit_log.audit import AuditEventType

    context: Context = ctx.obj
    database = context.database()
    if form not in export.FORMATS:
        msg = f"{form!r} is none of {', '.join(export.FORMATS)}"
        raise typer.BadParameter(msg, param_hint="--format")
    with database.reading() as read:
        count = export.write(audit.lines(read, after=after), to, form, node=context.settings().node.ae_title)
    with database.transaction() as tx:
        audit.append(tx, AuditEventType.AUDIT_READ, detail={"how": f"export {form}", "lines": count})
    out.print(f"{count} lines written to {to}", markup=False, highlight=False, soft_wrap=True)

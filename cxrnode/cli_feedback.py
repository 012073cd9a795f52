"""Commands about what radiologists answered to the model's findings: list them, and export them as a training set."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cxrnode.command import Context, Json, operator, out
from tracking.lists.counted import count

if TYPE_CHECKING:
    from tracking.answers.feedback import FeedbackFilter

_DAY = "%Y-%m-%d"

feedback_app = typer.Typer(help="What radiologists answered to the model's findings.", no_args_is_help=True)

First = Annotated[datetime | None, typer.Option("--from", formats=[_DAY], help="Answered on this day or later.")]
Last = Annotated[datetime | None, typer.Option("--to", formats=[_DAY], help="Answered on this day or earlier.")]
ModelName = Annotated[str | None, typer.Option("--model", help="A package's name, or 'NAME VERSION'.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(feedback_app, name="feedback", rich_help_panel="Studies")


@feedback_app.command("list")
def feedback_list(
    ctx: typer.Context,
    first: First = None,
    last: Last = None,
    model: ModelName = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List the answers that hold; comments are shown in --json only, as they may name a patient."""
    from cxrnode import show
    from tracking.answers import feedback

    context: Context = ctx.obj
    which = _filter(first, last, model)
    with context.database().reading() as read:
        answers = feedback.list_answers(read, which, limit=limit)
        total = feedback.count_answers(read, which)
    if as_json:
        show.as_json(answers)
        return
    table = Table("when", "who", "study", "finding", "answer", "box", "model", header_style="bold")
    for answer in answers:
        subject = answer.subject
        region = f", region {subject.position}" if subject.position else ""
        table.add_row(
            show.moment(answer.at), escape(answer.user), answer.study_uid,
            escape(subject.label or ("in own words" if subject.name else "image")) + region, answer.answer.value,
            "yes" if answer.box is not None else "–", escape(f"{answer.model.name} {answer.model.version}"),
        )  # fmt: skip
    out.print(table)
    out.print(f"{len(answers)} of {total} answers")


@feedback_app.command("export")
def feedback_export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to write; it must not exist yet, or be empty.")],
    first: First = None,
    last: Last = None,
    model: ModelName = None,
    dicom: Annotated[bool, typer.Option("--dicom", help="De-identified DICOM instead of PNG.")] = False,
) -> None:
    """Write a training set: images without the patient, labels, boxes, and a card that says what it is."""
    from cxrnode.feedback_card import Form
    from cxrnode.feedback_export import export
    from tracking.answers import feedback
    from tracking.people.users import Actor

    context: Context = ctx.obj
    which = _filter(first, last, model)
    database = context.database()
    with database.reading() as read:
        images = feedback.answered_images(read, which)
    exported = export(images, context.settings(), folder, which, Form.DICOM if dicom else Form.PNG)
    with database.transaction() as tx:
        feedback.note_export(tx, images=len(exported.images), answers=exported.answers, by=Actor(operator()))
    patients = len({image.patient for image in exported.images})
    out.print(
        f"{count(len(exported.images), 'image')} of {count(patients, 'patient')} written to {folder}; "
        "card.md says what it is, `--reader feedback` reads it",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    for reason, number in sorted(exported.left_out.items()):
        out.print(f"left out: {number} because {reason}", markup=False, highlight=False, soft_wrap=True)


def _filter(first: datetime | None, last: datetime | None, model: str | None) -> "FeedbackFilter":
    from tracking.answers.feedback import FeedbackFilter

    before = None if last is None else (last + timedelta(days=1)).astimezone()
    return FeedbackFilter(None if first is None else first.astimezone(), before, model)

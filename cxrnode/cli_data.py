"""Training data on the command line: look at a data set, turn it into another layout, make a detector's."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cxrnode.command import Json, err, out, train_extra
from cxrnode.progress import shown_progress

if TYPE_CHECKING:
    from training.data.examples import Example
    from training.data.survey import Survey

data = typer.Typer(no_args_is_help=True, help="Look at training data, and turn them from one layout into another.")

Folder = Annotated[Path, typer.Argument(metavar="DATA", help="The folder that the data set was unpacked into.")]
Reader = Annotated[
    str,
    typer.Option(
        help="Its layout: labels, unlabelled, manifest, class-folders, coronahack, nih, rsna, voc, tfrecord, dicom or "
        "feedback."
    ),
]
To = Annotated[Path, typer.Option("--out", help="A new folder; it is written as a whole or not at all.")]
_PROBLEMS_SHOWN = 20


class Layout(StrEnum):
    """What can be written."""

    TFRECORD = "tfrecord"
    VOC = "voc"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(data, name="data", rich_help_panel="Models")


@data.callback()
def root() -> None:
    """Show what readers warn of: what they left out, and what they could not know."""
    from config.logs import configure_logs
    from config.settings import LogSettings

    configure_logs(LogSettings(level="warning"), "cli")


@data.command()
def check(
    folder: Folder,
    reader: Reader = "manifest",
    decode: Annotated[bool, typer.Option("--decode/--no-decode", help="Read every picture once.")] = True,
    as_json: Json = False,
) -> None:
    """Count what a data set holds and say what is wrong with it. Exit code 1 when there is something to mend."""
    from training.data.survey import survey

    examples = _open(folder, reader)
    with _bar("reading", len(examples)) as progress:
        found = survey(examples, decode=decode, progress=progress)
    if as_json:
        from dataclasses import asdict

        out.print_json(data=asdict(found))
    else:
        _show(found)
    raise typer.Exit(1 if found.problems else 0)


@data.command()
def convert(
    folder: Folder,
    to: Annotated[Layout, typer.Option("--to", help="The layout to write.")],
    out_folder: To,
    reader: Reader = "manifest",
    labels: Annotated[
        str, typer.Option(help="Labels whose boxes to write, with commas, in the order of their class numbers.")
    ] = "",
) -> None:
    """Write a data set as object-detection TFRecords (needs TensorFlow) or as LabelImg's Pascal VOC files."""
    from training.data import tfrecord, voc

    write = tfrecord.write if to is Layout.TFRECORD else voc.write
    examples = _open(folder, reader)
    chosen = [label.strip() for label in labels.split(",") if label.strip()]
    with _bar("writing", len(examples)) as progress, train_extra():
        written = write(examples, out_folder, chosen, progress)
    out.print(f"{len(examples)} pictures with boxes of {', '.join(written)} are in {escape(str(out_folder))}.")


@data.command()
def export(
    folder: Folder,
    package: Annotated[str, typer.Option(help="The model package that draws the boxes: its name or folder.")],
    out_folder: To,
    reader: Reader = "manifest",
) -> None:
    """Make a COVID-19 detector's LabelImg data: pictures with a stated diagnosis, boxes drawn by a model package.

    Every box says in its file that a machine drew it, and which.
    """
    from inference.model import Model
    from training.data import voc
    from training.data.covid_detector import LABELS, draw_boxes, drawn_by, label_of

    examples = [example for example in _open(folder, reader) if label_of(example) is not None]
    draw = drawn_by(Model.open(package))
    with _bar("drawing", len(examples)) as progress:
        drawn = draw_boxes(examples, draw, progress)
    with _bar("writing", len(drawn.examples)) as progress:
        voc.write(drawn.examples, out_folder, LABELS, progress)
    for label in LABELS:
        pictures = [example for example in drawn.examples if example.truths[label]]
        boxes = sum(len(example.boxes) for example in pictures)
        out.print(f"{label}: {len(pictures)} pictures, {boxes} boxes")
    out.print(f"They are in {escape(str(out_folder))}; {drawn.without_box} pictures in which no box was drawn are not.")


def _open(folder: Path, reader: str) -> "tuple[Example, ...]":
    from training.data.readers import open_data

    with train_extra():
        return open_data(folder, reader)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a step is; give the function that says so."""
    with shown_progress(err) as progress:
        yield lambda count: progress(what, count, total)


def _show(found: "Survey") -> None:
    labels = Table(title=f"{found.pictures} pictures of {found.patients} patients", header_style="bold")
    labels.add_column("label", no_wrap=True)
    for column in ("yes", "no", "unknown", "read by radiologists", "boxes", "fully boxed"):
        labels.add_column(column, justify="right")
    for name, count in found.labels.items():
        numbers = (count.yes, count.no, count.unknown, count.read, count.boxes, count.boxed)
        labels.add_row(name, *(str(number) if number else "–" for number in numbers))
    out.print(labels)
    for title, counts in (
        ("fold", found.folds), ("view", found.views), ("source", found.sources), ("licence", found.licences),
    ):  # fmt: skip
        out.print(_counts(title, counts))
    for note in found.notes:
        out.print(f"[yellow]note[/] {escape(note)}", highlight=False)
    for problem in found.problems[:_PROBLEMS_SHOWN]:
        out.print(f"[bold red]problem[/] {escape(problem)}", highlight=False)
    if len(found.problems) > _PROBLEMS_SHOWN:
        out.print(f"[bold red]problem[/] and {len(found.problems) - _PROBLEMS_SHOWN} more", highlight=False)
    if not found.problems:
        out.print("[green]no problem found[/]")


def _counts(title: str, counts: Mapping[str, int]) -> Table:
    table = Table(title, header_style="bold")
    table.add_column("pictures", justify="right")
    for name, count in counts.items():
        table.add_row(escape(name), str(count))
    return table

"""Commands that measure model packages on data, and two of them against each other."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cxrnode.command import Json, err, out, train_extra

if TYPE_CHECKING:
    from training.evaluation.evaluate import Choice
    from training.evaluation.predictions import Predictions
    from training.evaluation.record import Record

Reader = Annotated[str, typer.Option(help="The layout of the data folder.")]
Fold = Annotated[int | None, typer.Option(help="This fold of the data; without it, all patients new to the package.")]
Everything = Annotated[bool, typer.Option("--all", help="Every picture, those it was fitted on too; says so loudly.")]
List = Annotated[str | None, typer.Option("--list", help='CSV of files and labels in the data folder; "" for none.')]
AnyView = Annotated[bool, typer.Option("--any-view", help="Lateral pictures and children's too.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the page, the figures and the predictions.")]
Resamples = Annotated[int, typer.Option(min=100, help="Draws of patients behind each interval.")]
Seed = Annotated[int, typer.Option(help="Of those draws.")]

PAGE, FIGURES, PREDICTIONS, COMPARISON = "report.html", "figures.json", "predictions.json.gz", "comparison.json"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel="Models")(evaluate)
    app.command(rich_help_panel="Models")(compare)


def evaluate(
    package: Annotated[str, typer.Argument(help="A built-in package's name, or a package's folder.")],
    data: Annotated[Path, typer.Option(help="Folder of the data.")],
    reader: Reader = "manifest",
    fold: Fold = None,
    everything: Everything = False,
    listed: List = None,
    any_view: AnyView = False,
    to: Out = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Show the best and worst cases: pictures of patients go into the page.")
    ] = False,
    resamples: Resamples = 1000,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Measure a package on data it was not made from, through the code that serves; every figure with an interval."""
    with train_extra():
        from inference.model import Model
        from training.data.image_files import read_picture
        from training.evaluation.evaluate import evaluate as measure
        from training.evaluation.page import report_page
        from training.evaluation.predictions import save_predictions
    if pictures and to is None:
        raise typer.BadParameter("there is no page to put them on: give --out too", param_hint="--pictures")
    choice = _choice(data, reader, fold, everything, listed, any_view)
    model = Model.open(package)
    with _bar(package) as progress:
        predictions, document = measure(model, choice, seed=seed, resamples=resamples, progress=progress)
    beside = err if as_json else out
    _warn({predictions.package.words: predictions.seen})
    if not as_json:
        for table in _tables(document["figures"]):
            out.print(table)
        _say(f"{document['figures']['pictures']} pictures of {document['figures']['patients']} patients; in brackets "
             f"{document['figures']['intervals']}")  # fmt: skip
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        _write(to / FIGURES, document)
        save_predictions(to / PREDICTIONS, predictions)
        page = report_page(predictions, document, (lambda example: read_picture(example.path)) if pictures else None)
        (to / PAGE).write_text(page, encoding="utf-8")
        _say(f"written: {to / PAGE}, {FIGURES}, {PREDICTIONS} (with the data set's own patient numbers)", on=beside)
        if pictures:
            _say("the page holds pictures of the data set: share it only as you may share those", "yellow", on=beside)
    _end(document, as_json=as_json)


def compare(
    one: Annotated[str, typer.Argument(help="A package, or predictions that `cxrnode evaluate` wrote.")],
    other: Annotated[str, typer.Argument(help="Another.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data; not needed for two predictions.")] = None,
    reader: Reader = "manifest",
    fold: Fold = None,
    everything: Everything = False,
    listed: List = None,
    any_view: AnyView = False,
    to: Out = None,
    resamples: Resamples = 1000,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Hold two packages against each other on the same pictures: paired differences with intervals."""
    with train_extra():
        from training.evaluation.compare import compare as hold
        from training.evaluation.page import compare_page
        from training.evaluation.predictions import save_predictions
    choice = None if data is None else _choice(data, reader, fold, everything, listed, any_view)
    sides, records = _asked((one, other), choice)
    document = hold(
        sides[0],
        sides[1],
        seed=seed,
        resamples=resamples,
        kept_apart=tuple(sorted({prefix for record in records if record for prefix in record.kept_apart})),
        rsna_thresholds=(_thresholds(records[0]), _thresholds(records[1])),
    )
    _warn(document["seen"])
    beside = err if as_json else out
    if not as_json:
        out.print(_difference_table(document))
        _say(document["sentence"], "bold")
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        _write(to / COMPARISON, document)
        for side, predictions in zip(("one", "other"), sides, strict=True):
            save_predictions(to / f"{side}.{PREDICTIONS}", predictions)
        (to / "compare.html").write_text(compare_page(document), encoding="utf-8")
        _say(f"written: {to / 'compare.html'}, {COMPARISON}, one.{PREDICTIONS}, other.{PREDICTIONS}", on=beside)
    _end(document, as_json=as_json)


def _thresholds(record: "Record | None") -> "Mapping[str, float] | None":
    return None if record is None else record.rsna_thresholds


def _asked(names: tuple[str, str], choice: "Choice | None") -> "tuple[list[Predictions], list[Record | None]]":
    """Return both sides' predictions, read from files or asked for now on pictures new to both, and their records."""
    from dataclasses import replace
    from functools import reduce

    from inference.model import Model
    from training.evaluation.evaluate import choose
    from training.evaluation.predict import predict
    from training.evaluation.predictions import load_predictions
    from training.evaluation.record import Record, record_of

    models = [None if Path(name).is_file() else Model.open(name) for name in names]
    records = [None if model is None else record_of(model.package) for model in models]
    known = [record for record in records if record is not None]
    if known and choice is None:
        raise typer.BadParameter("a package needs pictures to be asked about: give --data", param_hint="--data")
    examples = choose(reduce(Record.joined, known), choice) if known and choice is not None else ()
    answers = []
    for name, model, record in zip(names, models, records, strict=True):
        if model is None or record is None:
            answers.append(load_predictions(Path(name)))
            continue
        with _bar(name) as progress:
            said = predict(model, examples, progress(len(examples)))
        answers.append(replace(said, used=tuple(record.part_of(example) for example in examples)))
    return answers, records


def _choice(
    data: Path,
    reader: str,
    fold: int | None,
    everything: bool,
    listed: str | None,
    any_view: bool,
) -> "Choice":
    from training.evaluation.evaluate import Choice

    if fold is not None and everything:
        raise typer.BadParameter("give either a fold or --all, not both", param_hint="--fold")
    return Choice(data, reader, fold=fold, everything=everything, list=listed, any_view=any_view)


def _tables(figures: Mapping[str, Any]) -> Iterator[Table]:
    """Yield the tables that a terminal has room for; the page has all."""
    table = Table("finding", "with / all", "AUROC", "AUPRC", "calibration error", header_style="bold")
    points = Table("finding", header_style="bold", title="at the operating points", title_justify="left")
    for name in ("sensitive", "specific"):
        points.add_column(f"{name}:\nsensitivity")
        points.add_column(f"{name}:\nspecificity")
    for part in figures["findings"].values():
        share, title = f"{part['positives']} / {part['pictures']}", escape(part["title"])
        table.add_row(title, share, *(_cell(part[name]) for name in ("auroc", "auprc", "ece")))
        at = [part["points"][name][figure] for name in ("sensitive", "specific")
              for figure in ("sensitivity", "specificity")]  # fmt: skip
        points.add_row(title, *(_cell(figure, 2) for figure in at))
    yield table
    yield points
    pairs = [*figures["contrasts"].values(), *figures["groups"].values()]
    apart = figures["kept_apart"]
    pairs += [] if apart is None else [{**part, "words": f"kept apart: {part['words']}"}
                                       for part in apart["contrasts"].values()]  # fmt: skip
    if pairs:
        table = Table("against each other, and together", "AUROC", header_style="bold")
        for part in pairs:
            table.add_row(escape(part["words"]), _cell(part["auroc"]))
        yield table
    if figures["boxes"]:
        table = Table("boxes", "AP at 0.5", "RSNA score 0.4–0.75", "pointing game", header_style="bold")
        for part in figures["boxes"].values():
            table.add_row(
                escape(part["title"]), _cell(part["ap50"]), _cell(part["rsna_map"]["score"]), _cell(part["pointing"])
            )
        yield table
    for name, part in figures["classes"].items():
        table = Table(f"head {name}", "accuracy", "F1, mean", "cross-entropy", header_style="bold")
        table.add_row("exclusive classes", *(_cell(part[figure]) for figure in ("accuracy", "f1", "log_loss")))
        yield table


def _cell(figure: Mapping[str, Any], digits: int = 3) -> str:
    from training.evaluation.page import shown

    return shown(figure, digits).replace(" [", "\n[")


def _difference_table(document: Mapping[str, Any]) -> Table:
    """Return the differences that hang neither on subgroups nor on operating points."""
    from training.evaluation.page import signed

    names = [f"{document[side]['name']} {document[side]['version']}" for side in ("one", "other")]
    table = Table("figure", *(escape(name) for name in names), "difference", "", header_style="bold")
    colours = {"ahead": "green", "behind": "red"}
    for row in document["rows"]:
        if {"subgroups", "points", "at_half", "froc"} & set(row["path"]):
            continue
        verdict = "" if row["verdict"] == "open" else row["verdict"]
        table.add_row(
            escape(row["words"]), f"{row['one']['value']:.3f}", f"{row['other']['value']:.3f}",
            signed(row["difference"]), f"[{colours.get(verdict, 'dim')}]{verdict}[/]",
        )  # fmt: skip
    return table


def _warn(seen: Mapping[str, Mapping[str, int]]) -> None:
    """Say loudly where a package was made from the patients that it is measured on, or nobody can tell."""
    words = {"training": "fitted on", "validation": "calibrated and tuned on"}
    for who, parts in seen.items():
        for part, count in parts.items():
            if part not in words:
                err.print(
                    f"[bold yellow]nobody can tell whether these figures flatter:[/] {escape(who)} does not remember "
                    f"its patients; it may have learnt from those of {count} of the pictures", highlight=False,
                    soft_wrap=True,
                )  # fmt: skip
                continue
            err.print(
                f"[bold red]these figures flatter:[/] {count} of the pictures are of patients that {escape(who)} was "
                f"{words[part]}; they say nothing about new patients", highlight=False, soft_wrap=True,
            )  # fmt: skip


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int], Callable[[int], None]]]:
    """Yield what is told the number of pictures, and then after each how many are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        task = bars.add_task(escape(what), total=None)

        def start(count: int) -> Callable[[int], None]:
            bars.update(task, total=count)
            return lambda done: bars.update(task, completed=done)

        yield start


def _write(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    path.write_text(text, encoding="utf-8")


def _end(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the document for scripts, or what people should hear last."""
    if as_json:
        out.print_json(data=document)
    else:
        _say("research use only")


def _say(line: str, style: str = "", on: Console | None = None) -> None:
    (on or out).print(line, style=style, markup=False, highlight=False, soft_wrap=True)

"""The command ``analyse``: what the model says about image files; it needs no running node and no database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from config.errors import PermanentError
from cxrnode.command import Context, Json, err, out
from cxrnode.free_path import free_path
from cxrnode.progress import shown_progress
from tracking.lists.counted import count

if TYPE_CHECKING:
    from inference.analyse import Analyser
    from inference.file_analysis import FileAnalysis
    from inference.findings import ImageAnalysis, ModelIdentity


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Studies")(analyse)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one file."""

    path: Path
    """Relative to the folder that was named, if one was."""
    file: "FileAnalysis"
    overlay: Path | None
    maps: dict[str, Path] = field(default_factory=dict)
    """The score maps that were written, by the label of their findings."""


def analyse(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="PNG, JPEG or DICOM files, or folders of them.", exists=True)],
    overlay: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write each analysed image as PNG, with its findings and its score maps."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "--package", help="Model package, by name or folder; else the settings'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what the model finds on image files: PNG, JPEG or DICOM.

    Nothing is stored or sent, and no node has to run. A file that is not analysed gets its reason, too: exit code 0.
    """
    context: Context = ctx.obj
    settings = context.settings()
    chosen = list(_chosen(files))
    if not chosen:
        msg = "there is no PNG, JPEG or DICOM file in what was named"
        raise typer.BadParameter(msg, param_hint="FILES")
    if overlay is not None:
        _make_folder(overlay)
    from cxrnode import show
    from inference.analyse import Analyser
    from inference.installed import settings_for

    inference = settings.inference if model is None else settings_for(settings.inference, model)
    analyser = Analyser(inference)
    answers: list[Answer] = []
    unread = 0
    with shown_progress() as progress:
        for number, (path, name) in enumerate(chosen, 1):
            answer = _answer(analyser, path, name, inference.max_pixels, overlay, settings.report.capture_longest_side)
            if answer is None:
                unread += 1
            else:
                answers.append(answer)
            if len(chosen) > 1:
                progress("analysing", number, len(chosen))
    if as_json:
        show.as_json(_as_json(answers, analyser.identity))
    else:
        _print(answers, analyser.identity)
    raise typer.Exit(1 if unread else 0)


def _chosen(files: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield every file that was named, and of folders the images in them, each with its name for the answer."""
    from inference.pixels.image_file import HEAD_BYTES, file_kind

    for named in files:
        if not named.is_dir():
            yield named, named
            continue
        for path in sorted(entry for entry in named.rglob("*") if entry.is_file()):
            try:
                with path.open("rb") as stream:
                    is_image = file_kind(stream.read(HEAD_BYTES)) is not None
            except OSError:
                is_image = True  # so that it is read once more, and the reason printed
            if is_image:
                yield path, path.relative_to(named)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made: {error.strerror}; name another folder"
        raise typer.BadParameter(msg, param_hint="--overlay") from None


def _answer(
    analyser: "Analyser", path: Path, name: Path, max_pixels: int, overlay: Path | None, longest_side: int
) -> Answer | None:
    """Return the answer to one file; None, with the reason on standard error, where its bytes cannot be read."""
    from inference.file_analysis import analyse_content

    try:
        content = _read(path)
    except OSError as error:
        line = f"{path} cannot be read: {error.strerror}; give this user the right to read it"
        err.print(line, markup=False, highlight=False, soft_wrap=True)
        return None
    answer = analyse_content(analyser, content, max_pixels)
    if overlay is None or answer.image is None or answer.analysis.refused:
        return Answer(name, answer, None)
    from reporting.image_answer import draw_map_overlay, draw_overlay, mapped

    when, model = datetime.now().astimezone(), analyser.identity
    png = draw_overlay(answer.image, answer.analysis, model, when, longest_side)
    target = _write(overlay / f"{path.stem}-ai.png", png)
    maps: dict[str, Path] = {}
    for entry in mapped(answer.analysis):
        label = entry.finding.label
        png = draw_map_overlay(answer.image, answer.analysis, entry, model, when, longest_side)
        maps[label] = _write(overlay / f"{target.stem}-map-{label}.png", png)  # beside its overlay, by name
    return Answer(name, answer, target, maps)


def _read(path: Path) -> bytes:
    """Return a file's bytes; of what is no image only the first, as it may be of any size."""
    from inference.pixels.image_file import HEAD_BYTES, file_kind

    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        return head if file_kind(head) is None else head + stream.read()


def _write(path: Path, png: bytes) -> Path:
    """Write an overlay where nothing lies, so that no file of anybody's is written over; return where."""
    target = free_path(path)
    try:
        target.write_bytes(png)
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror}; name another folder with --overlay"
        raise PermanentError(msg) from None
    return target


def _print(answers: Sequence[Answer], model: "ModelIdentity") -> None:
    from reporting.words import DISCLAIMER

    out.print(f"[bold yellow]{DISCLAIMER}.[/]", soft_wrap=True)
    table = Table(header_style="bold", show_lines=True)
    table.add_column("file", ratio=2)
    table.add_column("answer", ratio=5)
    for answer in answers:
        table.add_row(Text(str(answer.path), overflow="fold"), _text(answer.file.analysis))
    out.print(table)
    analysed = sum(not answer.file.analysis.refused for answer in answers)
    out.print(f"{analysed} of {count(len(answers), 'file')} analysed with {model.name} {model.version}",
              markup=False, highlight=False, soft_wrap=True)  # fmt: skip
    for answer in answers:
        if answer.overlay is not None:
            out.print(f"overlay: {answer.overlay}", markup=False, highlight=False, soft_wrap=True)
        for drawn in answer.maps.values():
            out.print(f"score map: {drawn}", markup=False, highlight=False, soft_wrap=True)


def _text(analysis: "ImageAnalysis") -> str:
    """Return an answer as Rich markup: what is stated in the colour of the worst claim, then the rest."""
    from cxrnode import show
    from inference.not_analysed import NotAnalysed
    from reporting.claims import claims_of
    from reporting.image_answer import answer_lines

    first, *rest = (escape(line) for line in answer_lines(analysis))
    if isinstance(analysis.outcome, NotAnalysed):
        return "\n".join([first, *(f"[dim]{line}[/]" for line in rest)])
    claims = [entry.claim.value for entry in claims_of(analysis.outcome) if entry.found]
    colour = show.COLOURS[claims[0]] if claims else "bold"
    return "\n".join([f"[{colour}]{first}[/]", *(f"[dim]{line}[/]" for line in rest)])


def _as_json(answers: Sequence[Answer], model: "ModelIdentity") -> dict[str, Any]:
    from reporting.words import DISCLAIMER

    return {"disclaimer": DISCLAIMER, "model": model, "files": [_file_as_json(answer) for answer in answers]}


def _file_as_json(answer: Answer) -> dict[str, Any]:
    from reporting.image_answer import answer_to_json

    return {
        "file": answer.path,
        "kind": answer.file.kind,
        **answer_to_json(answer.file.analysis),
        "overlay": answer.overlay,
        "maps": answer.maps,
        "seconds": round(answer.file.seconds, 3),
    }

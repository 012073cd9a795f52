"""The demonstration, as a command."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cxrnode.command import out
from tracking.lists.counted import count

if TYPE_CHECKING:
    from rich.progress import TaskID


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", rich_help_panel="DICOM")(demonstrate)


def demonstrate(
    source: Annotated[Path | None, typer.Argument(help="DICOM file or folder; phantoms are drawn without it.")] = None,
    to: Annotated[Path, typer.Option("--out", help="Folder for what comes out; made fresh.")] = Path("demo-output"),
    serve: Annotated[bool, typer.Option("--serve", help="Then leave its web pages running, until Ctrl-C.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the start, and for the last study.")] = 600,
) -> None:
    """Start a node with a small PACS and RIS of its own, send radiographs, check what comes back; exit 1 on a lack."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from cxrnode import demo, show
    from cxrnode.demo_phantoms import AS_PNG

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        outcome = demo.run(source, to, timeout_seconds=timeout, progress=progress)
    out.print(show.StudiesTable(outcome.studies, outcome.names))
    checks = Table("expected", "", "found", header_style="bold")
    for expectation in outcome.expectations:
        checks.add_row(expectation.what, "[green]yes[/]" if expectation.met else "[bold red]NO[/]", expectation.detail)
    out.print(checks)
    for sent in outcome.sent:
        if not sent.stored:
            _say(f"{sent.path.name}: {sent.status_text} {sent.message}", "red")
    for note in outcome.notes:
        _say(note, "yellow")
    if outcome.ignored:
        _say(f"{count(outcome.ignored, 'file')} in the folder without the DICM prefix of DICOM files: not sent")
    if outcome.captures:
        more = f" and {len(outcome.captures) - 1} more" if len(outcome.captures) > 1 else ""
        _say(f"pictures with overlay: {outcome.captures[0]}{more}")
    if outcome.maps:
        more = f" and {len(outcome.maps) - 1} more" if len(outcome.maps) > 1 else ""
        _say(f"score maps: {outcome.maps[0]}{more}")
    settings = shlex.quote(str(outcome.folder / "cxrnode.toml"))
    _say(f"all of it is in {outcome.folder}/; what its node has on record: cxrnode -c {settings} studies")
    png = outcome.folder / "sent" / f"{AS_PNG}.png"
    _say(f"a PNG, JPEG or DICOM file of yours: cxrnode analyse {shlex.quote(str(png)) if png.exists() else 'FILE'}")
    _say("AI results, not verified by a radiologist; research use only")
    name, password = demo.add_user(outcome.folder)
    login = f"log in as {name} with the password {password}"
    if serve:
        demo.serve_pages(
            outcome.folder,
            lambda address: _say(f"its web pages: {address} (Analyse takes files), {login}; Ctrl-C ends them"),
        )
    else:
        _say(f"its web pages: cxrnode -c {settings} console, then {_address(outcome.folder)} (Analyse takes files)")
        _say(f"there, {login}")
    raise typer.Exit(0 if outcome.good else 1)


def _address(folder: Path) -> str:
    from cxrnode.demo import own_settings, pages_address

    return pages_address(own_settings(folder / "cxrnode.toml"))


def _say(line: str, style: str = "") -> None:
    out.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

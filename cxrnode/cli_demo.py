"""The demonstration, as a command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from cxrnode import show
from cxrnode.cli import out


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="DICOM")(demo)


def demo(
    source: Annotated[Path | None, typer.Argument(help="DICOM file or folder; phantoms are drawn without it.")] = None,
    to: Annotated[Path, typer.Option("--out", help="Folder for what comes out; made fresh.")] = Path("demo-output"),
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the last study.")] = 600,
) -> None:
    """Start a node with a small PACS and RIS of its own, send radiographs, check what comes back; exit 1 on a lack."""
    from cxrnode.demo import run

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        outcome = run(source, to, timeout_seconds=timeout, progress=progress)
    out.print(show.studies_table(outcome.studies))
    checks = Table("expected", "", "found", header_style="bold")
    for expectation in outcome.expectations:
        checks.add_row(expectation.what, "[green]yes[/]" if expectation.met else "[bold red]NO[/]", expectation.detail)
    out.print(checks)
    for sent in outcome.sent:
        if not sent.stored:
            out.print(f"[red]{sent.path.name}: {sent.status_text} {sent.message}[/]")
    if outcome.ignored:
        out.print(f"{outcome.ignored} files in the folder are not DICOM and were not sent")
    if outcome.captures:
        out.print(f"pictures with overlay: {outcome.captures[0]}" + (f" and {len(outcome.captures) - 1} more"
                  if len(outcome.captures) > 1 else ""))  # fmt: skip
    out.print(f"all of it is in {outcome.folder}/ · AI results, not verified by a radiologist · research use only")
    raise typer.Exit(0 if outcome.good else 1)

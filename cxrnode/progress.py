"""Progress bars for commands that take a while: one bar a step, on a terminal; single lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import TaskID

_SECONDS_BETWEEN_LINES = 15.0

ProgressCall = Callable[[str, int, int], None]
"""Called with (what, done, of)."""


@contextmanager
def shown_progress(console: Console | None = None) -> Iterator[ProgressCall]:
    """Give a function that shows how far each step is; a step is known by its words."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield report


def _lines(console: Console) -> ProgressCall:
    last = time.monotonic()

    def report(what: str, done: int, of: int) -> None:
        nonlocal last
        if done == of or time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            console.print(f"{what}: {done} of {of}")

    return report

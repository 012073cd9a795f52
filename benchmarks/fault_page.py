"""Write the table "fault, promise, test" of docs/reliability.md from the marks of the tests; no row is typed.

A test that stands for a fault carries ``@pytest.mark.fault(FAULT, promise=PROMISE, area=AREA)``, all three literals:
they are read from the sources, and no test is run.

.venv/bin/python -m benchmarks.fault_page
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: python -m benchmarks.fault_page -->", "<!-- /faults -->"
_MARK = "pytest.mark.fault"
AREAS = {
    "killed": "Killed, stopped, or the power fails",
    "database": "The database is away",
    "disk": "The disk is full or fails",
    "apart": "Database and files of different times",
    "backup": "Backups",
    "tls": "TLS",
    "clock": "Clocks",
    "peer": "Destinations",
    "confirmed": "Delivered means confirmed",
    "stranger": "Strangers and silent peers",
    "content": "What is sent or set is wrong",
    "secret": "What nobody else is to read or change",
}
"""Headings of the table by area, in the order of the page."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, what the node promises then, and the test that shows it."""

    area: str
    fault: str
    promise: str
    file: str
    """Relative to the root of the repository."""
    test: str


def faults(tests: Path = ROOT / "tests") -> list[Fault]:
    """Return every fault that a test is marked with, by file and in the order of the file.

    Raises
    ------
    ValueError
        A mark is not of literals, names no area of :data:`AREAS`, or says nothing.
    """
    return [fault for file in sorted(tests.rglob("test_*.py")) for fault in _of_file(file)]


def section(found: list[Fault]) -> str:
    """Return the text between the markers: a table for each area."""
    parts = [f"{BEGIN}\n{len(found)} faults."]
    for area, heading in AREAS.items():
        rows = [f"| {fault.fault} | {fault.promise} | {_where(fault)} |" for fault in found if fault.area == area]
        parts.append("\n".join([f"## {heading}", "", "| fault | promise | test |", "|---|---|---|", *rows]))
    return "\n\n".join([*parts, END])


def replaced(page: str, table: str) -> str:
    """Return the page with its table exchanged."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + table + after


def _where(fault: Fault) -> str:
    return f"`{fault.file}::{fault.test}`"


def _of_file(file: Path) -> Iterator[Fault]:
    source = file.read_text(encoding="utf-8")
    if _MARK not in source:  # most files have none, and parsing them all takes seconds
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == _MARK:
                    yield _read(decorator, file, node.name)


def _read(mark: ast.Call, file: Path, test: str) -> Fault:
    node_id = f"{file}::{test}"
    try:
        (fault,) = [ast.literal_eval(argument) for argument in mark.args]
        keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in mark.keywords}
        promise, area = keywords.pop("promise"), keywords.pop("area")
    except (ValueError, KeyError) as error:
        msg = f"{node_id}: write @pytest.mark.fault(FAULT, promise=PROMISE, area=AREA), all three literals"
        raise ValueError(msg) from error
    if keywords or area not in AREAS or not fault or not promise or "|" in fault + promise:
        msg = f"{node_id}: area is one of {', '.join(AREAS)}; fault and promise are words without |"
        raise ValueError(msg)
    return Fault(
        area, fault, promise, file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name, test
    )


if __name__ == "__main__":
    page = replaced(PAGE.read_text(encoding="utf-8"), section(faults()))
    PAGE.write_text(page, encoding="utf-8")

"""Write what the random kills came to into docs/reliability.md, between its markers; no figure is typed.

.venv/bin/python -m benchmarks.kills_page
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = Path(__file__).parent / "results" / "kills.json"
BEGIN, END = "<!-- kills: python -m benchmarks.kills_page -->", "<!-- /kills -->"
COUNTS = ("lost", "doubled", "stuck", "sent_though_rejected", "gave_up")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def section(rows: Sequence[dict[str, Any]]) -> str:
    """Return the text between the markers: one line for each kind of database."""
    lines = [
        "| database | kills | of which the database itself | studies | images | acts | lost | doubled | stuck "
        "| sent though rejected | services that gave up |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for database, name in NAMES.items():
        runs = [row for row in rows if row["database"] == database]
        if runs:
            counts = " | ".join(f"{_sum(runs, count)}" for count in COUNTS)
            killed = sum(run["killed"].get(database, 0) for run in runs)
            acts = sum(number for run in runs for act, number in run["acts"].items() if "refused" not in act)
            lines.append(
                f"| {name} | {_sum(runs, 'kills'):,} | {killed} | {_sum(runs, 'studies'):,} | "
                f"{_sum(runs, 'images'):,} | {acts} | {counts} |"
            )
    return "\n".join([BEGIN, *lines, END])


def replaced(page: str, table: str) -> str:
    """Return the page with its table exchanged."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + table + after


def _sum(runs: Sequence[dict[str, Any]], name: str) -> int:
    return sum(int(run[name]) for run in runs)


if __name__ == "__main__":
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), section(rows)), encoding="utf-8")

"""How results look: tables for people, JSON for scripts."""

import dataclasses
import json
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tracking.audit import Line
from tracking.clock import to_datetime
from tracking.queries import FindingSummary, StudySummary

COLOURS = {
    "attention": "bold red", "delivered": "green", "reported": "yellow", "analysed": "yellow",
    "received": "cyan", "not-analysed": "dim", "ok": "green", "warning": "yellow", "failed": "bold red",
    "present": "bold red", "possible": "yellow", "absent": "dim", "stopped": "bold red", "waiting": "yellow",
}  # fmt: skip


def as_json(value: object) -> None:
    """Print dataclasses, lists and dictionaries as JSON on standard output."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))  # noqa: T201 - this is the output


def coloured(word: str) -> str:
    """Return a status word in its colour, as Rich markup."""
    colour = COLOURS.get(word)
    return f"[{colour}]{word}[/]" if colour else escape(word)


def moment(time: datetime | None) -> str:
    """Return a time as local date and time, to the second."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time is not None else "–"


def finding_text(finding: FindingSummary) -> str:
    """Return a finding in few words, coloured by what it means for the reader."""
    style = coloured(finding.level)
    if not finding.abnormal:
        style = style.replace("bold red", "green")
    boxes = f" · {finding.boxes} box{'es' if finding.boxes != 1 else ''}" if finding.boxes else ""
    return f"{escape(finding.label)} {finding.score:.0%} {style}{boxes}"


def outcome_text(study: StudySummary) -> str:
    """Return what the study came to: findings, or why there are none."""
    parts = [finding_text(finding) for finding in study.findings]
    reasons = sorted({outcome.because for outcome in study.not_analysed})
    parts += [f"[dim]not analysed because {escape(because)}[/]" for because in reasons]
    parts += [f"[red]{escape(problem)}[/]" for problem in study.problems]
    return "\n".join(parts) or "–"


def studies_table(studies: Iterable[StudySummary]) -> Table:
    """Return studies as a table, one row a study."""
    table = Table(header_style="bold", show_lines=True)
    table.add_column("study", max_width=24)
    table.add_column("status", no_wrap=True)
    table.add_column("outcome", ratio=1)
    table.add_column("documents", no_wrap=True)
    for study in studies:
        delivered = sum(delivery.state == "delivered" for delivery in study.deliveries)
        documents = f"{len(study.documents)} built" if study.documents else "–"
        if study.deliveries:
            documents += f"\n{delivered}/{len(study.deliveries)} delivered"
        images = f"{study.instances} image{'s' if study.instances != 1 else ''}"
        table.add_row(
            Text(f"{study.study_uid}\n", overflow="fold").append(f"{moment(study.received_at)}\n{images}", "dim"),
            coloured(study.status),
            outcome_text(study),
            documents,
        )
    return table


def audit_table(lines: Iterable[Line]) -> Table:
    """Return audit lines as a table."""
    table = Table("line", "time", "service", "event", "outcome", "detail", header_style="bold")
    for line in lines:
        detail = " ".join(f"{key}={value}" for key, value in line.detail.items() if value not in {None, ""})
        colour = {"success": "green", "minor-failure": "yellow", "serious-failure": "red"}.get(line.outcome, "")
        table.add_row(
            str(line.seq),
            moment(to_datetime(line.at)),
            line.service,
            line.type,
            f"[{colour}]{line.outcome}[/]" if colour else line.outcome,
            Text(detail, overflow="fold"),
        )
    return table


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)

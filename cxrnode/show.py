"""How results look: tables for people, JSON for scripts."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from config.errors import CxrnodeError
from reporting.claims import Claim, ClaimedFinding, claims_of, percent, study_claims
from reporting.words import NOTHING_STATED, SCORED_ONLY, claim_words
from tracking.audit_log.audit import Line
from tracking.engine.clock import to_datetime
from tracking.lists.counted import count
from tracking.lists.summaries import (
    FindingSummary,
    InstanceSummary,
    KeptAside,
    RetrySummary,
    StudySummary,
    way_to_accept,
    way_to_decline,
)
from tracking.studies.conflicts import ways_out
from tracking.studies.corrections import BY_HAND, OTHER_PATIENT
from tracking.studies.patient import PatientIdentity

COLOURS = {
    "conflict": "bold red", "rejected": "dim", "attention": "bold red", "delivered": "green", "reported": "yellow",
    "analysed": "yellow", "received": "cyan", "not-analysed": "dim", "ok": "green", "warning": "yellow",
    "failed": "bold red", "present": "bold red", "undetermined": "yellow", "absent": "dim", "stopped": "bold red",
    "waiting": "yellow", "withdrawn": "dim",
}  # fmt: skip
_OUTCOME_COLOURS = {"success": "green", "minor-failure": "yellow", "serious-failure": "red", "major-failure": "red"}
REJECTED = {BY_HAND: "by hand", OTHER_PATIENT: "of another patient"}
_SHOWN_OF_A_HASH = 12
_MOST_NAMES = 4
_LONGEST_UID = 64
_WIDTH_BESIDE_UID = 56
"""Characters that status and outcome need beside a UID in one line: 12, 24, and 10 for the borders, and some more."""


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


def findings_text(claims: Sequence[ClaimedFinding[FindingSummary]]) -> list[str]:
    """Return what is stated in lines, in the order and with the claims of every document; what is absent in one."""
    lines = [finding_text(entry) for entry in claims if entry.stated and not entry.absent]
    lines += _not_found(claims)
    if all(entry.stated for entry in claims):
        return lines
    return [*lines, f"[dim]{(SCORED_ONLY if lines else NOTHING_STATED).lower()}[/]"]


def gist(claims: Sequence[ClaimedFinding[FindingSummary]]) -> list[str]:
    """Return what is stated in as few lines as tell a study from others: one for each claim, good news and the rest."""
    lines = []
    for claim in (Claim.PRESENT, Claim.UNDETERMINED):
        names = [_name_and_score(entry.finding) for entry in claims if entry.found and entry.claim is claim]
        lines += [f"[{COLOURS[claim.value]}]{claim.value}[/]: {escape(', '.join(names))}"] if names else []
    lines += [finding_text(entry) for entry in claims if entry.stated and not entry.finding.abnormal]
    lines += _not_found(claims)
    return lines or ([f"[dim]{NOTHING_STATED}[/]"] if claims else [])


def _not_found(claims: Sequence[ClaimedFinding[FindingSummary]]) -> list[str]:
    absent = [_name(entry.finding) for entry in claims if entry.absent]
    return [f"[dim]not found: {escape(', '.join(absent))}[/]"] if absent else []


def _name_and_score(finding: FindingSummary) -> str:
    return f"{_name(finding)} {percent(finding)}%"


def finding_text(entry: ClaimedFinding[FindingSummary]) -> str:
    """Return a stated finding in few words, coloured by what it means for the reader."""
    finding = entry.finding
    word = claim_words(entry.claim, abnormal=finding.abnormal)
    if not entry.claimed:
        return f"{escape(_name(finding))} [{COLOURS['absent']}]{word}[/]"
    colour = COLOURS[entry.claim.value]
    if not finding.abnormal:
        colour = "green" if entry.claim is Claim.PRESENT else "default"
    boxes = f" · {count(finding.boxes, 'region')}" if finding.boxes else ""
    note = f"\n  [dim]{escape(finding.note)}[/]" if finding.note else ""
    return f"{escape(_name(finding))} {percent(finding)}% [{colour}]{word}[/]{boxes}{note}"


def _name(finding: FindingSummary) -> str:
    return finding.meaning or finding.label.replace("_", " ")


def outcome_text(study: StudySummary) -> str:
    """Return what the study came to, in a few lines: of several images, the worst news of each finding."""
    images = len({finding.instance_uid for finding in study.findings})
    parts = conflict_text(study) + gist(study_claims(study.findings))
    parts += [f"[dim]the worst of {images} images[/]"] if images > 1 else []
    reasons = sorted({outcome.because for outcome in study.not_analysed})
    parts += [f"[dim]not analysed because {escape(because)}[/]" for because in reasons]
    parts += [retry_text(entry) for entry in study.retrying]
    parts += [f"[red]{escape(problem)}[/]" for problem in study.problems]
    if study.rejected:
        parts.append(f"[dim]{count(study.rejected, 'image')} rejected[/]")
    parts += [f"[yellow]{escape(kept_aside_text(study, kept))}[/]" for kept in study.kept_aside]
    return "\n".join(parts) or "–"


def conflict_text(study: StudySummary) -> list[str]:
    """Return whom the images of a study in conflict name, in lines; nothing for other studies."""
    if study.status != "conflict":
        return []
    lines = ["[bold red]its images name two patients; it gets no result[/]"]
    for patient in study.patients:
        second = f", {len(patient.second)} as a second value" if patient.second else ""
        sent = f"; {count(patient.delivered, 'document')} delivered before" if patient.delivered else ""
        lines.append(
            f"[red]{escape(identity_text(patient.identity))}[/]: {count(len(patient.images), 'image')}{second}{sent}"
        )
    return lines


def identity_text(identity: PatientIdentity) -> str:
    """Return whom an image names, as what the Standard identifies a patient by."""
    stated = (
        identity.patient_id or "no Patient ID",
        identity.issuer_of_patient_id,
        identity.patient_name,
        identity.patient_birth_date,
        identity.patient_sex,
    )
    return ", ".join(filter(None, stated))


def kept_aside_text(study: StudySummary, kept: KeptAside) -> str:
    """Return what waits for a decision under a known UID, from the side of the study it is shown with."""
    differing = f"of another patient ({', '.join(kept.differing)} differ)" if kept.differing else ""
    whose = identity_text(kept.patient) if kept.differing and kept.patient is not None else ""
    if kept.stands_in != study.study_uid:
        what = f"waits: image under a known UID, which stands for an image of study {kept.stands_in}"
        return f"{what}, {differing}" if differing else what
    elsewhere = f"of study {kept.study_uid}" if kept.study_uid != study.study_uid else ""
    what = " ".join(filter(None, ("1 file kept aside: same instance UID, other bytes", differing, elsewhere)))
    return f"{what}: {whose}" if whose else what


def decisions(studies: Iterable[StudySummary]) -> list[str]:
    """Return the commands that decide whose images studies hold, each once; lines to be printed whole."""
    commands: list[str] = []
    for study in studies:
        if study.status == "conflict":
            commands += ways_out(study.study_uid, study.patients)
        for kept in study.kept_aside:
            commands += [way_to_accept(study, kept), way_to_decline(study, kept)]
    return list(dict.fromkeys(commands))


def retry_text(entry: RetrySummary) -> str:
    """Return what is being tried again, how often it failed and why, and when the next attempt is due."""
    what = f"{count(entry.documents, 'document')} to {entry.destination}" if entry.destination else entry.step
    if entry.held:
        return f"[yellow]{escape(what)}: paused; `cxrnode destination resume {entry.destination}` sends it[/]"
    failed = f"failed {entry.attempts} ×" if entry.attempts else "waits"
    later = entry.next_try_at > datetime.now(UTC)
    due = f"again at {entry.next_try_at.astimezone():%H:%M:%S}" if later else "due now"
    return f"[yellow]{escape(what)}: {failed}, {due}: {escape(entry.error)}[/]"


@dataclasses.dataclass(frozen=True, slots=True)
class StudiesTable:
    """Studies as a table, one row a study, that keeps each UID in one line where the console has the room.

    ``names`` are those of the files a study came in, by its UID; they stand where its UID and time do otherwise.
    """

    studies: Sequence[StudySummary]
    names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the table out for the width there is."""
        uids = [study.study_uid for study in self.studies if not self.names.get(study.study_uid)]
        longest = max((len(uid) for uid in uids), default=0)
        table = Table(header_style="bold", show_lines=True)
        whole = options.max_width - longest >= _WIDTH_BESIDE_UID
        table.add_column("study", no_wrap=whole, max_width=_LONGEST_UID, ratio=3)
        table.add_column("status", no_wrap=True)
        table.add_column("outcome", ratio=5, overflow="fold")
        for study in self.studies:
            files = file_names(self.names.get(study.study_uid, ()))
            who = Text(files or study.study_uid, overflow="fold")
            when = "" if files else f"\n{moment(study.received_at)}"
            who.append(f"{when}\n{count(study.instances, 'image')}", "dim")
            table.add_row(who, _status_text(study), outcome_text(study))
        yield table


def _status_text(study: StudySummary) -> str:
    lines = [coloured(study.status)]
    if study.kind == "upload":
        lines.append("[bold]upload[/]")
    if study.retrying:
        lines.append("[yellow]retrying[/]")
    if study.documents:
        lines.append(f"[dim]{count(len(study.documents), 'document')}[/]")
    if study.deliveries:
        delivered = sum(delivery.state == "delivered" for delivery in study.deliveries)
        lines.append(f"[dim]{delivered}/{len(study.deliveries)} delivered[/]")
    return "\n".join(lines)


def file_names(names: Sequence[str]) -> str:
    """Return some file names in words."""
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown


def images_table(images: Iterable[InstanceSummary], study: StudySummary) -> Table:
    """Return the images of a study as a table, with what was found on each."""
    table = Table("image", "from", "found", header_style="bold")
    reasons = {outcome.instance_uid: outcome.because for outcome in study.not_analysed}
    for image in images:
        found = [finding for finding in study.findings if finding.instance_uid == image.instance_uid]
        parts = findings_text(claims_of(found))
        parts += [
            f"[yellow]{escape(remark.text)}[/]" for remark in study.remarks if remark.instance_uid == image.instance_uid
        ]
        if image.instance_uid in reasons:
            parts.append(f"[dim]not analysed because {escape(reasons[image.instance_uid])}[/]")
        if image.duplicates:
            parts.append(f"[dim]came {image.duplicates + 1} times, the same bytes[/]")
        if image.lossy_copies:
            parts.append("[dim]came again after lossy compression; the first one stands[/]")
        if image.rejected:
            parts.append(f"[bold]rejected[/] [dim]{REJECTED.get(image.rejected, image.rejected)}[/]")
        if image.patient is not None and study.patients:
            parts.append(f"[red]{escape(identity_text(image.patient))}[/]")
        if image.conflicts:
            parts.append(f"[yellow]{count(image.conflicts, 'file')} with other bytes kept aside[/]")
        table.add_row(
            Text(image.instance_uid, overflow="fold").append(f"\n{image.modality} {image.size / 1e6:.1f} MB", "dim"),
            f"{escape(image.calling_ae)}\n[dim]{escape(image.address)}[/]",
            "\n".join(parts) or "–",
        )
    return table


def documents_table(study: StudySummary) -> Table:
    """Return the documents of a study's latest analysis as a table, with where each went."""
    table = Table("document", "UID and file", "destination", "state", header_style="bold")
    for document in study.documents:
        ways = [way for way in study.deliveries if way.document_uid == document.uid]
        states = [
            coloured(way.state) + (f" [dim]({count(way.attempts, 'attempt')})[/]" if way.attempts > 1 else "")
            for way in ways
        ]
        table.add_row(
            document.kind,
            Text(document.uid, overflow="fold").append(f"\n{document.path}", "dim"),
            "\n".join(escape(way.destination) for way in ways) or "–",
            "\n".join(states) or ("[bold red]quarantined[/]" if document.quarantined else "kept"),
        )
    return table


def audit_table(lines: Iterable[Line]) -> Table:
    """Return audit lines as a table; hashes are shortened (``--json`` and the export have them whole)."""
    table = Table(header_style="bold")
    table.add_column("line", justify="right")
    table.add_column("event", no_wrap=True)
    table.add_column("detail", ratio=1)
    for line in lines:
        colour = _OUTCOME_COLOURS.get(line.outcome, "")
        detail = Text(overflow="fold")
        if line.outcome != "success":
            detail.append(f"{line.outcome} ", colour)
        for key, value in line.detail.items():
            if value not in {None, ""}:
                shown = f"{str(value)[:_SHOWN_OF_A_HASH]}…" if _is_hash(value) else str(value)
                detail.append(f"{key} ", "dim").append(f"{shown}  ")
        event = Text(line.type, colour).append(f"\n{moment(to_datetime(line.at))} {line.service}", "dim")
        table.add_row(str(line.seq), event, detail)
    return table


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path | CxrnodeError):
        return str(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)

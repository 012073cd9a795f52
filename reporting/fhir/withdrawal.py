"""Withdrawals: what was said of a study, all of it an error, made from the Bundles that said it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fhir.resources.R4B.bundle import BundleEntry
from fhir.resources.R4B.reference import Reference
from pydicom.sr.coding import Code

from config.errors import DocumentRejected
from config.language.translation import gettext as _
from config.language.translation import language, marked
from reporting.account import MANUFACTURER
from reporting.fhir.bundle import BuiltBundle, provenance_entry, transaction
from reporting.fhir.coding import concept
from reporting.fhir.narrative import narrative
from reporting.fhir.provenance import Activity, Origin
from reporting.fhir.status import ENTERED_IN_ERROR
from reporting.fhir.superseded import Entry, identifier_of, load_entries, observations, references, retire
from reporting.fhir.text import clean
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Note

_TITLES = {
    Reason.QUALITY: Code("113001", "DCM", "Rejected for Quality Reasons"),
    Reason.SAFETY: Code("113037", "DCM", "Rejected for Patient Safety Reasons"),
}
"""CID 7011, as in rejection notes."""
_WORDS = {
    Reason.QUALITY: marked("AI result withdrawn for quality reasons: do not use it."),
    Reason.SAFETY: marked("AI result withdrawn for patient safety reasons: do not use it."),
}
_KEPT = (
    "resourceType", "identifier", "basedOn", "category", "code", "subject", "effectiveDateTime", "issued", "performer",
    "result", "imagingStudy",
)  # fmt: skip


def build_withdrawal(note: Note, bundles: Sequence[bytes], institution: str = "") -> BuiltBundle:
    """Return the Bundle that takes others back: their report and all their Observations, entered in error.

    Parameters
    ----------
    note
        Why, and since when.
    bundles
        What is taken back, the oldest first.
    institution
        On whose behalf.
    """
    report, words = _last_report(bundles), _(_WORDS[note.reason])
    observed = [retire(entry, words) for entry in observations(bundles).values()]
    withdrawn = {**report, "resource": _withdraw(report["resource"], observed, words)}
    changed = [*observed, withdrawn]
    origin = Origin(
        document_uid=note.uid,
        activity=Activity.NULLIFY,
        recorded=_time(note, report["resource"]["issued"]),
        agent=Reference(display=MANUFACTURER),
        institution=clean(institution),
        former=[identifier_of(content) for content in bundles],
        reason=concept(_TITLES[note.reason]),
    )
    there = {entry["fullUrl"] for entry in changed}
    referred = [entry for entry in references(bundles, changed) if entry["fullUrl"] not in there]
    entries = [BundleEntry.model_validate(entry) for entry in (*referred, *changed)]
    entries.append(provenance_entry(origin, [entry["fullUrl"] for entry in changed]))
    return BuiltBundle(note.uid, transaction(note.uid, entries))


def _last_report(bundles: Sequence[bytes]) -> Entry:
    """Return the report that a server took last: it replaced those before it."""
    reports = [
        entry
        for content in bundles
        for entry in load_entries(content)
        if entry["resource"]["resourceType"] == "DiagnosticReport"
    ]
    if not reports:
        msg = "there is no Bundle to take back"
        raise DocumentRejected(msg)
    return reports[-1]


def _withdraw(report: Entry, observed: Sequence[Entry], words: str) -> dict[str, Any]:
    kept = {key: value for key, value in report.items() if key in _KEPT}
    there = {entry["fullUrl"] for entry in observed}
    kept["result"] = [reference for reference in report.get("result", []) if reference["reference"] in there]
    if not kept["result"]:
        del kept["result"]
    text = json.loads(narrative([words]).model_dump_json())
    return {**kept, "language": language().value, "text": text, "status": ENTERED_IN_ERROR, "conclusion": words}


def _time(note: Note, issued: str) -> datetime:
    """Return when the withdrawal was made, at the offset in which the report told its own time."""
    offset = datetime.fromisoformat(issued).tzinfo
    return datetime.fromtimestamp(note.since_ms / 1000, UTC).astimezone(offset)

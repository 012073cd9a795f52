"""Checks of studies, documents and refusals that wait for a person."""

from collections.abc import Iterator

from config.settings import Settings
from cxrnode.doctor.check import Check, first_of, reading
from tracking.audit_log import refusals
from tracking.audit_log.refusals import RefusalCount, RefusalKind
from tracking.lists import queries
from tracking.outbox import documents
from tracking.outbox.left_behind import void_and_left

_REFUSAL_DAYS = 7
_MOST_REFUSALS = 10


def patients(settings: Settings) -> Iterator[Check]:
    """Say which studies wait for a decision on whose images they hold; whose, only the commands that it names say."""
    with reading(settings) as read:
        in_conflict = queries.studies_in_conflict(read)
        kept_aside = queries.studies_with_files_kept_aside(read)
    yield Check(
        "patients",
        "warning" if in_conflict else "ok",
        f"{len(in_conflict)} in conflict: images of two patients in one study, so no result ({first_of(in_conflict)})"
        if in_conflict
        else "no study names two",
        f"`cxrnode study {in_conflict[0]}` says whom it names and the ways out" if in_conflict else "",
    )
    if kept_aside:
        count = sum(kept_aside.values())
        yield Check(
            "corrected images",
            "warning",
            f"{count} kept aside: other bytes came under a known UID ({first_of(list(kept_aside))})",
            f"`cxrnode study {next(iter(kept_aside))}` says what differs and how to accept or dismiss it",
        )


def withdrawn_results(settings: Settings) -> Iterator[Check]:
    """Say which results destinations still have that do not hold any more: somebody has to remove them there."""
    with reading(settings) as read:
        left = void_and_left(read)
    if left:
        uids = list(left)
        yield Check(
            "withdrawn results",
            "warning",
            f"{sum(left.values())} documents could not be taken back from their destinations ({first_of(uids)})",
            f"`cxrnode study {uids[0]}` names them: wait for the notes that are due, or have them removed there",
        )


def quarantined_documents(settings: Settings) -> Iterator[Check]:
    """Say which documents were built and must not leave, and what had to be left out of others."""
    with reading(settings) as read:
        quarantined = documents.quarantined_by_study(read)
        left_out = queries.left_out_by_study(read)
    if left_out:
        study_uid = next(iter(left_out))
        yield Check(
            "attributes",
            "warning",
            f"{len(left_out)} {'study holds' if len(left_out) == 1 else 'studies hold'} attributes that are not legal "
            f"in DICOM and are empty in the documents (the latest: {study_uid})",
            f"`cxrnode study {study_uid}` names them; have the sender shorten or mend them",
        )
    if not quarantined:
        yield Check("documents", "ok", "none quarantined")
        return
    count, study_uid = sum(quarantined.values()), next(iter(quarantined))
    yield Check(
        "documents",
        "warning",
        f"{count} quarantined: built, but refused by {'its' if count == 1 else 'their'} own conformance check "
        f"({first_of(list(quarantined))})",
        f"`cxrnode study {study_uid}` says why; mend it (a newer version may), then `cxrnode retry {study_uid}` "
        "builds its documents again",
        stopped=True,
    )


def recent_refusals(settings: Settings) -> Iterator[Check]:
    """Say what the receiver refused lately; contexts beside which images came are only counted."""
    with reading(settings) as read:
        recent = refusals.latest(read, limit=refusals.MOST_ROWS, days=_REFUSAL_DAYS)
    named = [entry for entry in recent if entry.refusal.kind is not RefusalKind.SPARE_CONTEXT][:_MOST_REFUSALS]
    for entry in named:
        yield Check(f"refused {entry.refusal.kind}", "warning", _refused(entry), entry.refusal.cure)
    more = len(recent) - len(named)
    if more:
        found = f"{more} more kinds in {_REFUSAL_DAYS} days; the console's page Refusals lists them"
        yield Check("refusals", "ok", found)
    elif not named:
        yield Check("refusals", "ok", f"none in {_REFUSAL_DAYS} days")


def _refused(entry: RefusalCount) -> str:
    from pydicom.uid import UID

    refusal = entry.refusal
    details = (
        UID(refusal.sop_class_uid).name,
        UID(refusal.transfer_syntax_uid).name,
        f"calling {refusal.calling_ae}" if refusal.calling_ae else "",
        f"called {refusal.called_ae}" if refusal.called_ae else "",
        f"from {refusal.address}" if refusal.address else "",
    )
    times = f"{entry.count} time{'s' if entry.count != 1 else ''}"
    return f"{refusal.reason} ({', '.join(filter(None, details))}), {times}, last {entry.last_at:%Y-%m-%d %H:%M} UTC"

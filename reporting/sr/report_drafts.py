"""The structured reports of an analysis: one for each storage class that its destinations are expected to take."""

from collections.abc import Iterator
from dataclasses import replace

from config.destinations import DicomDestination
from config.language.translation import speaking
from config.settings import Settings
from reporting.account import Account, Predecessor
from reporting.assemble import Subject, assemble_account, model_of
from reporting.document_store import write_document
from reporting.drafts import Batch, Composition, Draft, Room
from reporting.sr.report import build_report, report_uids
from reporting.sr.report_classes import ORDER, ReportClass, expected_class
from reporting.sr.report_gate import check_report, check_report_alone
from tracking.outbox.document_kinds import REPORT
from tracking.outbox.documents import DocumentRecord
from tracking.outbox.taken_classes import taken_classes
from tracking.results.analyses import StoredAnalysis


def report_drafts(composition: Composition) -> Iterator[Batch]:
    """Yield the report once for each class that a destination is expected to take, or in the first class."""
    with composition.database.reading() as read:
        taken = taken_classes(read)
    takers: dict[ReportClass, list[str]] = {}
    for destination in composition.destinations(DicomDestination):
        if REPORT.name in destination.documents:
            takers.setdefault(expected_class(destination, taken), []).append(destination.name)
    if not takers and composition.account.analysed:
        takers = {ORDER[0]: []}
    if takers:
        yield [_draft(composition, report_class, names) for report_class, names in takers.items()]


def _draft(composition: Composition, report_class: ReportClass, names: list[str]) -> Draft:
    account = composition.account
    series_uid, uid = report_uids(account.source_uids, account.model, account.revision, report_class)

    def build() -> bytes:
        return checked_report(
            report_account(account, composition.subject, report_class), composition.settings, report_class
        )

    return Draft(REPORT, uid, build, tuple(names), series_uid, report_class.value)


def report_account(account: Account, subject: Subject, report_class: ReportClass) -> Account:
    """Return the account for a report of one class: it points to the earlier report, in the same class if there is one.

    The earlier report's UIDs follow from the earlier analysis just as ours do.
    """
    before = subject.before
    if before is None:
        return account
    earlier = subject.earlier_classes
    known = report_class.value if report_class.value in earlier else earlier[0]
    series_uid, uid = _uids(before, ReportClass(known))
    if uid == _uids(subject.analysis, ReportClass(known))[1]:
        return account
    return replace(account, predecessor=Predecessor(series_uid, known, uid))


def _uids(analysis: StoredAnalysis, report_class: ReportClass) -> tuple[str, str]:
    sources = tuple(sorted(instance.instance_uid for instance in analysis.instances))
    return report_uids(sources, model_of(analysis), analysis.revision, report_class)


def checked_report(account: Account, settings: Settings, report_class: ReportClass) -> bytes:
    """Return a structured report that has passed the gate. Raises DocumentRejected."""
    built = build_report(account, settings.report.sr_series_number, report_class)
    check_report(built, account)
    return built.content


def rebuild_report(subject: Subject, settings: Settings, report_class: ReportClass) -> DocumentRecord:
    """Build an analysis's structured report in one class, store it, and return its record, for the deliverer.

    Raises
    ------
    DocumentRejected
        It cannot be built from what is stored, or fails the gate.
    """
    account = report_account(assemble_account(subject, settings), subject, report_class)
    series_uid, uid = report_uids(account.source_uids, account.model, account.revision, report_class)
    with speaking(settings.node.language):
        content = checked_report(account, settings, report_class)
    stored = write_document(settings.document_dir, uid, REPORT.suffix, content)
    return DocumentRecord(
        REPORT.name, uid, series_uid, report_class.value, stored.path, stored.sha256, stored.size, None
    )


REPORTS = Room(report_drafts, {REPORT: check_report_alone})

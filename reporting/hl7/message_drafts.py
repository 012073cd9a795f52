"""The messages of an analysis: one for each HL7 destination."""

from collections.abc import Iterator

from config.destinations import Hl7Destination
from reporting.drafts import Batch, Composition, Draft, Room
from reporting.hl7.message import ReportReference, build_message, message_id
from reporting.hl7.message_gate import check_message, check_message_alone
from tracking.jobs.priorities import is_urgent
from tracking.outbox.document_kinds import MESSAGE, REPORT
from tracking.outbox.taken_classes import taken_classes


def message_drafts(composition: Composition) -> Iterator[Batch]:
    """Yield the messages, each with the report that it points to."""
    destinations = composition.destinations(Hl7Destination)
    if destinations:
        reference = _reference(composition)
        yield [_draft(composition, destination, reference) for destination in destinations]


def _draft(composition: Composition, destination: Hl7Destination, reference: ReportReference | None) -> Draft:
    account = composition.account_for(destination.name, MESSAGE)
    with composition.database.reading() as read:
        urgent = is_urgent(read, composition.subject.analysis.study_uid)

    def build() -> bytes:
        critical = composition.settings.report.critical_findings
        built = build_message(account, destination, reference, critical, urgent=urgent)
        check_message(built, account, destination.character_set)
        return built.content

    return Draft(MESSAGE, message_id(account, destination.name), build, (destination.name,))


def _reference(composition: Composition) -> ReportReference | None:
    """Return the report that a message refers to: the first that is due at a destination not known to take none."""
    with composition.database.reading() as read:
        taken = taken_classes(read)
    for record, destination in composition.sent:
        takes_none = destination in taken and taken[destination] is None
        if record.kind == REPORT.name and record.series_uid is not None and not takes_none:
            return ReportReference(record.series_uid, record.uid)
    return None


MESSAGES = Room(message_drafts, {MESSAGE: check_message_alone})

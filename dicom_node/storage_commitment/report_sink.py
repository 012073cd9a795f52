"""What happens when a peer calls to answer a storage commitment request: recorded, and only then 0x0000."""

from collections.abc import Callable, Mapping

from sqlalchemy.orm import Session

from config.destinations import DicomDestination
from config.logs import get_logger
from config.settings import Settings
from dicom_node.storage_commitment.report import UnreadableReport, decode_report
from dicom_node.storage_commitment.resends import resends_of
from dicom_node.upper_layer.access import Caller
from dicom_node.upper_layer.message import Answer, EventReport
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.outbox import confirmations
from tracking.outbox.confirmations import Reception, Resends

_log = get_logger(__name__)
Commit = Callable[[Callable[[Session], Reception]], Reception]

_SUCCESS = Answer(0x0000)
_NOT_RECORDED = Answer(0x0110, "could not be recorded")
_UNREADABLE = Answer(0x0115, "no answer to a storage commitment request")
_IGNORED = {
    Reception.UNKNOWN: Answer(0x0115, "unknown Transaction UID"),
    Reception.OTHER_PEER: Answer(0x0124, "the request was sent to another peer"),
}
"""Statuses of PS3.7 C.5.9 (invalid argument value) and C.5.18 (not authorised)."""
_CURES = {
    Reception.UNKNOWN: "none: the request is not on record here; it may be older than the database",
    Reception.OTHER_PEER: "let the peer answer under the ae_title or confirm_ae_title of its [[destinations]] entry",
}


def reporters(settings: Settings) -> Mapping[str, Mapping[str, Resends]]:
    """Return by AE title the destinations that are asked for storage commitment, and so may call to answer.

    Each stands by its name, with how often what it has not is sent again.
    """
    found: dict[str, dict[str, Resends]] = {}
    for destination in settings.destinations:
        if isinstance(destination, DicomDestination) and destination.confirm == "commitment":
            for ae_title in {destination.ae_title, destination.confirm_ae_title or destination.ae_title}:
                found.setdefault(ae_title.strip(), {})[destination.name] = resends_of(destination, settings)
    return found


class ReportSink:
    """Takes one N-EVENT-REPORT of storage commitment; ``resends`` is what :func:`reporters` says of the caller."""

    def __init__(
        self,
        caller: Caller,
        report: EventReport,
        resends: Mapping[str, Resends],
        commit: Commit,
        count: Callable[[Refusal], None],
    ) -> None:
        self._caller = caller
        self._report = report
        self._resends = resends
        self._commit = commit
        self._count = count
        self._encoded = bytearray()

    def write(self, data: memoryview) -> None:
        """Keep the next bytes; the association bounds their number."""
        self._encoded += data

    def finish(self) -> Answer:
        """Record the answer, and return the status that the peer gets."""
        try:
            answer = decode_report(self._report.event_type_id, bytes(self._encoded), self._report.transfer_syntax_uid)
        except UnreadableReport as error:
            self._ignore(str(error), "none: the peer has to follow PS3.4 J.3.3", _UNREADABLE)
            return _UNREADABLE
        try:
            reception = self._commit(lambda tx: confirmations.take_answer(tx, answer, self._resends))
        except Exception:  # noqa: BLE001 - any database driver's error: what is not recorded is not acknowledged
            _log.error("could not be recorded", kind="commitment", exc_info=True)
            return _NOT_RECORDED
        if reception in _IGNORED:
            self._ignore(str(reception), _CURES[reception], _IGNORED[reception])
            return _IGNORED[reception]
        _log.info(
            "commitment answered", outcome=str(reception), transaction_uid=answer.transaction_uid,
            calling_ae=self._caller.calling_ae,
        )  # fmt: skip
        return _SUCCESS

    def abandon(self) -> None:
        """Forget what came."""
        self._encoded.clear()

    def cut_off(self, reason: str) -> None:
        """Count that the peer was sent away in the middle of its answer."""
        self._ignore(reason, "none: the peer has to follow PS3.4 J.3.3", Answer(0))

    def _ignore(self, reason: str, cure: str, answer: Answer) -> None:
        caller = self._caller
        status = f"{answer.status:04X}" if answer.status else "A-ABORT"
        self._count(Refusal(
            RefusalKind.COMMITMENT, reason, cure, status, caller.calling_ae, caller.called_ae, caller.address
        ))  # fmt: skip

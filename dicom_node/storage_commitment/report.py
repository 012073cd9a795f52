"""The answer to a storage commitment request: the Event Information of an N-EVENT-REPORT (PS3.4 J.3.3)."""

from io import BytesIO

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode

from config.errors import PermanentError
from dicom_node.format.header import is_usable_uid
from tracking.outbox.confirmations import CommitmentAnswer

COMPLETE, FAILURES_EXIST = 1, 2
"""Event Type IDs: storage commitment request successful, or complete with failures (PS3.4 Table J.3-2)."""
_PROCESSING_FAILURE = 0x0110


class UnreadableReport(PermanentError):
    """The Event Information is none of storage commitment."""


def decode_report(event_type_id: int, encoded: bytes, transfer_syntax_uid: str) -> CommitmentAnswer:
    """Return the answer in an encoded data set. Raises UnreadableReport, whatever is wrong with it."""
    syntax = UID(transfer_syntax_uid)
    try:
        information = decode(BytesIO(encoded), syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    except Exception as error:
        raise UnreadableReport("the data set of the report cannot be parsed") from error
    return read_report(event_type_id, information)


def read_report(event_type_id: int, information: Dataset) -> CommitmentAnswer:
    """Return the answer in the Event Information of a report. Raises UnreadableReport."""
    if event_type_id not in {COMPLETE, FAILURES_EXIST}:
        raise UnreadableReport("the event is none of storage commitment")
    try:
        transaction_uid = str(information.TransactionUID)
        committed = frozenset(
            str(item.ReferencedSOPInstanceUID) for item in information.get("ReferencedSOPSequence", ())
        )
        failed = {
            str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason", _PROCESSING_FAILURE))
            for item in information.get("FailedSOPSequence", ())
        }
    except Exception as error:  # pydicom parses values as they are asked for, and raises whatever it runs into
        raise UnreadableReport("the report has no usable Transaction UID, or references that name nothing") from error
    if not is_usable_uid(transaction_uid):
        raise UnreadableReport("the Transaction UID of the report is no UID")
    return CommitmentAnswer(transaction_uid, committed - failed.keys(), failed)

"""Reading the answer to a storage commitment request, whatever bytes a peer sends as one."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pynetdicom.dsutils import encode

from dicom_node.format.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicom_node.storage_commitment.report import UnreadableReport, decode_report
from tracking.outbox.confirmations import CommitmentAnswer


def encoded(*, transaction_uid: str = "2.25.1", failed: tuple[str, ...] = (), committed: tuple[str, ...] = ()) -> bytes:
    report = Dataset()
    report.TransactionUID = transaction_uid
    report.ReferencedSOPSequence = [item(uid) for uid in committed]
    report.FailedSOPSequence = [item(uid, 0x0112) for uid in failed]
    return encode(report, is_implicit_vr=True, is_little_endian=True) or b""


def item(uid: str, reason: int | None = None) -> Dataset:
    found = Dataset()
    found.ReferencedSOPClassUID, found.ReferencedSOPInstanceUID = "1.2", uid
    if reason is not None:
        found.FailureReason = reason
    return found


def test_what_is_both_kept_and_failed_has_failed() -> None:
    content = encoded(committed=("1.1", "1.2"), failed=("1.2",))
    assert decode_report(2, content, IMPLICIT_LITTLE) == CommitmentAnswer("2.25.1", frozenset({"1.1"}), {"1.2": 0x0112})


@pytest.mark.parametrize(
    ("event", "content"), [(3, encoded(committed=("1.1",))), (1, encoded(transaction_uid="")), (1, b"")]
)
def test_what_is_no_answer_is_told(event: int, content: bytes) -> None:
    with pytest.raises(UnreadableReport):
        decode_report(event, content, IMPLICIT_LITTLE)


@settings(max_examples=100, deadline=None)
@given(
    noise=st.binary(max_size=200), cut=st.integers(0, 200), syntax=st.sampled_from([IMPLICIT_LITTLE, EXPLICIT_LITTLE])
)
@pytest.mark.filterwarnings("ignore")
def test_no_bytes_raise_anything_else(noise: bytes, cut: int, syntax: str) -> None:
    whole = BytesIO(encoded(committed=("1.1",), failed=("1.2",))).read()
    for content in (noise, whole[:cut] + noise, noise + whole[cut:]):
        try:
            assert decode_report(1, content, syntax).transaction_uid
        except UnreadableReport:
            continue

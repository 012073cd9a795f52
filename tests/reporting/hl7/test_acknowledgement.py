"""Acknowledgements are read as receivers send them, and judged by what helps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import CxrnodeError, PeerBusy, PeerUnavailable, RefusedByPeer
from reporting.hl7.acknowledgement import AckCode, judge, parse_acknowledgement

HEADER = b"MSH|^~\\&|RIS|H|CXRNODE||20260101||ACK^R01^ACK|1|P|2.5.1"


@pytest.mark.parametrize(
    "frame",
    [
        HEADER + b"\rMSA|AA|ID1\r",
        HEADER + b"\rMSA|AA|ID1",
        HEADER + b"\nMSA|AA|ID1\n",
        HEADER + b"\r\nMSA|aa|ID1|\r\n",
        b"\r\n" + HEADER + b"\r\r MSA|AA|ID1|ok\rZZZ|1\r",
        HEADER.replace(b"|", b"#") + b"\rMSA#AA#ID1\r",
        HEADER + b"\rERR|||0\rMSA|AA|ID1\r",
    ],
)
def test_sloppy_acceptances_are_acceptances(frame: bytes) -> None:
    answer = parse_acknowledgement(frame)
    assert (answer.code, answer.control_id) == (AckCode.APPLICATION_ACCEPT, "ID1")
    assert judge(answer, "ID1") is None


@pytest.mark.parametrize("frame", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", HEADER + b"\r", b"MSA|AA|ID1\r", b"MSH"])
def test_what_is_no_acknowledgement_is_said_to_be_none(frame: bytes) -> None:
    with pytest.raises(PeerUnavailable, match="no HL7 acknowledgement"):
        parse_acknowledgement(frame)


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(RefusedByPeer):
        parse_acknowledgement(HEADER + b"\rMSA|OK|ID1\r")


@pytest.mark.parametrize(
    ("code", "control_id", "failure"),
    [
        ("AA", "ID1", None),
        ("CA", "ID1", None),
        ("AE", "ID1", RefusedByPeer),
        ("CE", "ID1", RefusedByPeer),
        ("AR", "ID1", PeerBusy),
        ("CR", "ID1", PeerBusy),
        ("AR", "", PeerBusy),
        ("AE", "", RefusedByPeer),
        ("AA", "ID2", PeerUnavailable),
        ("AA", "", PeerUnavailable),
        ("AE", "ID2", PeerUnavailable),
        ("AR", "ID2", PeerUnavailable),
    ],
)
@pytest.mark.fault(
    "a receiver refuses an HL7 message",
    promise="AE stops it, AR and CR are tried again",
    area="peer",
)
def test_each_answer_has_its_consequence(code: str, control_id: str, failure: type[CxrnodeError] | None) -> None:
    answer = parse_acknowledgement(HEADER + f"\rMSA|{code}|{control_id}\r".encode())
    verdict = judge(answer, "ID1")
    assert verdict is None if failure is None else isinstance(verdict, failure)


def test_the_error_code_is_told_but_not_the_receivers_text() -> None:
    frame = HEADER + b"\rMSA|AE|ID1|Patient Doe unknown\rERR||PID^1|204^Unknown key identifier^HL70357|E||||Doe\r"
    verdict = judge(parse_acknowledgement(frame), "ID1")
    assert "HL7 error 204" in str(verdict)
    assert "Doe" not in str(verdict)


@given(st.binary(max_size=300))
def test_garbage_is_never_more_than_an_error_of_ours(frame: bytes) -> None:
    try:
        answer = parse_acknowledgement(HEADER + frame)
    except CxrnodeError:
        return
    assert answer.code in AckCode

"""What an answer means: permanent or not, in words that hold nothing of a patient."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from config.errors import CxrnodeError, PeerBusy, PeerUnavailable, RefusedByPeer
from reporting.fhir.answer import (
    LONGEST_AFTER_SECONDS,
    HttpAnswer,
    issue_words,
    judge,
    read_success,
    retry_after_seconds,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, RefusedByPeer), (400, RefusedByPeer), (401, PeerUnavailable), (403, RefusedByPeer), (404, RefusedByPeer),
        (408, PeerBusy), (409, PeerBusy), (410, RefusedByPeer), (412, RefusedByPeer), (413, RefusedByPeer),
        (422, RefusedByPeer), (425, PeerBusy), (429, PeerBusy), (500, PeerBusy), (501, PeerBusy),
        (502, PeerUnavailable), (503, PeerUnavailable), (504, PeerUnavailable),
    ],
)  # fmt: skip
def test_a_status_is_permanent_or_not(status: int, kind: type[CxrnodeError]) -> None:
    error = judge(HttpAnswer(status, b""))
    assert type(error) is kind
    assert str(status) in str(error)


def test_success_is_no_error() -> None:
    assert judge(HttpAnswer(200, b"")) is None


def outcome(*issues: object) -> bytes:
    return json.dumps({"resourceType": "OperationOutcome", "issue": list(issues)}).encode()


def test_an_outcome_is_told_by_its_codes_and_elements_never_by_its_texts() -> None:
    body = outcome(
        {"severity": "warning", "code": "value"},
        {
            "severity": "error",
            "code": "value",
            "expression": ["Bundle.entry[2].resource.birthDate"],
            "diagnostics": "Doe",
        },
        {"severity": "error", "code": "Müller", "details": {"text": "Müller"}},
        {"severity": "fatal", "code": "required", "expression": ["Patient.name.where(family='Müller')"]},
        "nonsense",
    )
    assert issue_words(body) == " (value at Bundle.entry[2].resource.birthDate, required)"
    assert "Doe" not in str(judge(HttpAnswer(422, body)))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"resourceType":"OperationOutcome","issue":1}', b"\xff"]
)
def test_what_is_no_outcome_has_no_words(body: bytes) -> None:
    assert issue_words(body) == ""


def test_retry_after_is_seconds_or_a_date_within_reason() -> None:
    assert retry_after_seconds("120") == 120
    assert retry_after_seconds("999999") == LONGEST_AFTER_SECONDS
    assert retry_after_seconds("") == retry_after_seconds("-5") == retry_after_seconds("soon") == 0
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    assert 250 < retry_after_seconds(later) <= 300
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    error = judge(HttpAnswer(429, b"", "7"))
    assert isinstance(error, PeerBusy)
    assert error.after_seconds == 7


def response(*statuses: object, kind: str = "transaction-response") -> HttpAnswer:
    entries = [{"response": {"status": status}} for status in statuses]
    return HttpAnswer(200, json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode())


def test_a_transaction_is_taken_when_each_of_its_entries_was() -> None:
    assert read_success(response("201 Created", "200 OK", "201"), 3) == "HTTP 200, 2 created, 1 updated or there"
    with pytest.raises(PeerUnavailable, match="base"):
        read_success(response("201"), 2)
    with pytest.raises(PeerUnavailable):
        read_success(response("201", kind="searchset"), 1)
    with pytest.raises(PeerUnavailable):
        read_success(HttpAnswer(200, b"<html>welcome</html>"), 1)
    for wrong in ("400 Bad Request", None, ""):
        with pytest.raises(RefusedByPeer):
            read_success(response("201", wrong), 2)

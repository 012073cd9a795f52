"""What a FHIR server's answer to a transaction means for the delivery."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from config.errors import CxrnodeError, PeerBusy, PeerUnavailable, RefusedByPeer

LONGEST_AFTER_SECONDS = 3600.0
"""Of a Retry-After: a server that names tomorrow is asked before."""
_WAITING = frozenset({408, 425, 429})
_AWAY = frozenset({502, 503, 504})
_ISSUES = frozenset(
    {
        "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired",
        "forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found",
        "deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule", "conflict", "transient",
        "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "informational",
    }
)  # fmt: skip
"""Codes of an issue (FHIR R4, issue-type)."""
_PATH = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}(\[\d{1,4}\])?(\.[A-Za-z][A-Za-z0-9]{0,63}(\[\d{1,4}\])?){0,12}")
_MOST_ISSUES = 3


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer over HTTP; ``retry_after`` is the header as it stands, empty where there is none."""

    status: int
    body: bytes
    retry_after: str = ""


def judge(answer: HttpAnswer) -> CxrnodeError | None:
    """Return what is wrong with an answer, None for a success.

    What the content, or this node's settings, are to blame for is permanent; 401 is not, because a new token helps all
    that waits. What passes by itself is retriable: time-outs, conflicts with another write, too many requests, and all
    faults of the server.
    """
    status, after = answer.status, retry_after_seconds(answer.retry_after)
    if 200 <= status < 300:
        return None
    said = f"FHIR server answered HTTP {status}{issue_words(answer.body)}"
    if status == 401:
        return PeerUnavailable(f"{said}: it does not take our token; check token_file, or client_id and its secret")
    if status in _AWAY:
        return PeerUnavailable(f"{said}: it is away", after_seconds=after)
    if status in _WAITING or status >= 500:
        return PeerBusy(f"{said}: it cannot take the result now", after_seconds=after)
    if status == 409:
        return PeerBusy(f"{said}: another write was under way", after_seconds=after)
    if status == 412:
        return RefusedByPeer(f"{said}: several resources there have one identifier; remove doubled ones, then retry")
    if status == 403:
        return RefusedByPeer(f"{said}: our account may not write there; allow it, then retry")
    if 300 <= status < 400:
        return RefusedByPeer(f"{said}: it sends us elsewhere; set url to its own address, then retry")
    if status in {404, 405, 410}:
        return RefusedByPeer(f"{said}: no transactions are taken at url; set it to the server's base, then retry")
    return RefusedByPeer(f"{said}: it refuses the content; see its log")


def read_success(answer: HttpAnswer, sent: int) -> str:
    """Return what became of a transaction of ``sent`` entries, in words.

    Raises
    ------
    PeerUnavailable
        The answer is none to a transaction, so that nothing is known of it.
    RefusedByPeer
        An entry was not taken.
    """
    bundle = _json(answer.body)
    entries = bundle.get("entry") if bundle.get("type") == "transaction-response" else None
    if not isinstance(entries, list) or len(entries) != sent:
        msg = f"FHIR server answered HTTP {answer.status}, but not to a transaction; is url the server's base?"
        raise PeerUnavailable(msg)
    statuses = Counter(_status(entry) for entry in entries)
    wrong = sorted(status for status in statuses if not status.startswith("2"))
    if wrong:
        msg = f"FHIR server took the transaction but answered HTTP {wrong[0]} to an entry; see its log"
        raise RefusedByPeer(msg)
    there = sent - statuses["201"]
    return f"HTTP {answer.status}, {statuses['201']} created, {there} updated or there"


def issue_words(body: bytes) -> str:
    """Return the issues of an OperationOutcome as codes and elements, in brackets.

    Its diagnostics and texts are left out, since they may repeat a patient's data.
    """
    outcome = _json(body)
    issues = outcome.get("issue") if outcome.get("resourceType") == "OperationOutcome" else None
    words = []
    for issue in issues if isinstance(issues, list) else []:
        if not isinstance(issue, dict) or issue.get("severity") not in {"fatal", "error"}:
            continue
        code, paths = issue.get("code"), issue.get("expression")
        path = paths[0] if isinstance(paths, list) and paths else ""
        where = f" at {path}" if isinstance(path, str) and _PATH.fullmatch(path) else ""
        if isinstance(code, str) and code in _ISSUES:
            words.append(f"{code}{where}")
    return f" ({', '.join(words[:_MOST_ISSUES])})" if words else ""


def retry_after_seconds(header: str) -> float:
    """Return how long a Retry-After asks to wait (RFC 9110, 10.2.3), 0 where it asks for nothing sensible."""
    header = header.strip()
    if re.fullmatch(r"\d{1,9}", header):
        seconds = float(header)
    else:
        try:
            when = parsedate_to_datetime(header)
        except (ValueError, TypeError):
            return 0.0
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_AFTER_SECONDS)


def _status(entry: Any) -> str:
    response = entry.get("response") if isinstance(entry, dict) else None
    status = response.get("status") if isinstance(response, dict) else None
    found = re.match(r"\d{3}", status) if isinstance(status, str) else None
    return found[0] if found else "without a status"


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

"""A FHIR server of the tests' own that keeps to the rules of transactions (FHIR R4, 3.1.0.11.2), in memory.

Conditional creates and updates, references resolved, all or nothing, a version for each change; and ways to misbehave.
"""

import copy
import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

Resource = dict[str, Any]
LOST = "the answer is lost"


class TransactionFailed(Exception):
    """The transaction is refused as a whole."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code = status, code


@dataclass
class Answer:
    """What is answered to the next transaction instead of taking it."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FhirStore:
    """Resources by type and id; ``versions`` are all that ever stood, the latest last."""

    versions: dict[tuple[str, str], list[Resource]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def current(self, kind: str) -> list[Resource]:
        """Return the resources of a type as they stand."""
        return [versions[-1] for (found, _), versions in self.versions.items() if found == kind]

    def search(self, kind: str, query: str) -> list[Resource]:
        """Return what a search by identifier or tag finds."""
        ((name, value),) = parse_qs(query, strict_parsing=True).items()
        system, code = (re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\)\|", value[0]))
        return [resource for resource in self.current(kind) if (system or None, code) in _tokens(resource, name)]

    def transact(self, bundle: Resource) -> Resource:
        """Apply a transaction: all of it, or nothing."""
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
            raise TransactionFailed(400, "invalid", "no transaction")
        targets: dict[str, tuple[str, str]] = {}
        writes: list[tuple[tuple[str, str], Resource]] = []
        answers: list[Resource] = []
        for entry in bundle["entry"]:
            key, written, status = self._target(entry)
            targets[entry["fullUrl"]] = key
            if written:
                writes.append((key, entry["resource"]))
            answers.append({"response": {"status": status, "location": "/".join(key)}})
        if len(set(targets.values())) != len(targets):
            raise TransactionFailed(400, "invalid", "one resource twice in a transaction")
        finished = [(key, _resolved(resource, targets)) for key, resource in writes]
        for (kind, number), resource in finished:
            self.versions.setdefault((kind, number), []).append({**resource, "id": number})
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}

    def _target(self, entry: Resource) -> tuple[tuple[str, str], bool, str]:
        """Return which resource an entry is about, whether it is written, and the status of that."""
        request, kind = entry["request"], entry["resource"]["resourceType"]
        url, _, criteria = request["url"].partition("?")
        if url != kind:
            raise TransactionFailed(400, "invalid", "the request is about another type")
        if request["method"] == "POST":
            criteria = request.get("ifNoneExist", "")
        found = self.search(kind, criteria) if criteria else []
        if len(found) > 1:
            raise TransactionFailed(412, "multiple-matches", "the criteria match several resources")
        if found:
            return (kind, found[0]["id"]), request["method"] == "PUT", "200 OK"
        return (kind, str(next(self.numbers))), True, "201 Created"


def _tokens(resource: Resource, name: str) -> set[tuple[str | None, str | None]]:
    if name == "_tag":
        return {(tag.get("system"), tag.get("code")) for tag in resource.get("meta", {}).get("tag", [])}
    if name == "identifier":
        return {(one.get("system"), one.get("value")) for one in resource.get("identifier", [])}
    raise TransactionFailed(400, "not-supported", "unknown search parameter")


def _resolved(value: Any, targets: dict[str, tuple[str, str]]) -> Any:
    """Return a resource with its references to entries replaced by those to what the entries became."""
    if isinstance(value, list):
        return [_resolved(item, targets) for item in value]
    if not isinstance(value, dict):
        return copy.copy(value)
    resolved = {key: _resolved(item, targets) for key, item in value.items()}
    reference = resolved.get("reference")
    if isinstance(reference, str) and reference.startswith("urn:"):
        if reference not in targets:
            raise TransactionFailed(400, "not-found", "a reference leads nowhere")
        resolved["reference"] = "/".join(targets[reference])
    return resolved


class FhirServer(ThreadingHTTPServer):
    """Serves a store on loopback. ``answers`` come first; what it was sent stands in ``received``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = FhirStore()
        self.lock = threading.Lock()
        self.answers: list[Answer | str] = []
        self.received: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.tokens: list[str] = []
        """Bearer tokens that are taken; empty lets everybody in."""
        self.token_requests: list[tuple[dict[str, str], str]] = []
        self.token_answers: list[Answer] = []
        self.version = "4.0.1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/fhir"

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class _Handler(BaseHTTPRequestHandler):
    server: FhirServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path != "/fhir/metadata":
            self._send(404, _outcome("not-found", "no such page"))
            return
        self._send(200, {"resourceType": "CapabilityStatement", "fhirVersion": self.server.version})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/token":
            self._token(body)
            return
        with self.server.lock:
            self.server.received.append(body)
            self.server.headers.append(dict(self.headers))
            answer = self.server.answers.pop(0) if self.server.answers else None
            if isinstance(answer, Answer):
                self._send(answer.status, answer.body, answer.headers)
            elif not self._is_known():
                self._send(401, _outcome("login", "who are you?"))
            elif self.path != "/fhir" or self.headers.get("Content-Type") != "application/fhir+json":
                self._send(404, _outcome("not-found", "transactions go to the base"))
            else:
                self._transact(body, lost=answer == LOST)

    def _is_known(self) -> bool:
        authorization = self.headers.get("Authorization", "")
        return not self.server.tokens or authorization.removeprefix("Bearer ") in self.server.tokens

    def _transact(self, body: bytes, *, lost: bool) -> None:
        try:
            result = self.server.store.transact(json.loads(body))
        except TransactionFailed as error:
            self._send(error.status, _outcome(error.code, str(error)))
            return
        if lost:
            self.close_connection = True
            return
        self._send(200, result)

    def _token(self, body: bytes) -> None:
        self.server.token_requests.append((dict(self.headers), unquote(body.decode())))
        if self.server.token_answers:
            answer = self.server.token_answers.pop(0)
            self._send(answer.status, answer.body, answer.headers)
            return
        token = f"token-{len(self.server.token_requests)}"
        self.server.tokens = [token]
        self._send(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _send(self, status: int, body: bytes | Resource, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/fhir+json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _outcome(code: str, words: str) -> Resource:
    issue = {"severity": "error", "code": code, "diagnostics": words, "expression": ["Bundle.entry[0]"]}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@contextmanager
def running() -> Iterator[FhirServer]:
    """Serve an empty store while the block runs."""
    server = FhirServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

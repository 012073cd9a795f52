"""The way to a FHIR server: transactions, and asking it whether it is there."""

import json
import ssl
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx2

from config.destinations import FhirDestination
from config.errors import AnswerMissing, PeerUnavailable, RefusedByPeer, SettingsError
from reporting.fhir.answer import HttpAnswer, judge, read_success
from reporting.fhir.authorization import authorization_of

MEDIA_TYPE = "application/fhir+json"
_MOST_BYTES = 16 * 1024 * 1024
"""Of an answer: it repeats what was sent at most, which has some tens of kilobytes."""
_VERSION = "4."


class FhirClient:
    """Speaks to one server; keeps its connection and its token."""

    def __init__(self, destination: FhirDestination) -> None:
        self._base = destination.url.rstrip("/")
        self._authorization = authorization_of(destination)
        timeout = httpx2.Timeout(destination.response_seconds, connect=destination.connect_seconds)
        # Not by way of a proxy that the environment happens to name: only what the settings say.
        self._client = httpx2.Client(verify=_trust(destination.ca_file), timeout=timeout, trust_env=False)
        weakref.finalize(self, self._client.close)

    def send(self, bundle: bytes) -> str:
        """Send a transaction; return what became of it, in words.

        Raises
        ------
        PeerUnavailable, PeerBusy
            It may work later.
        RefusedByPeer, SettingsError
            It will not.
        """
        answer = self._ask("POST", self._base, bundle)
        return read_success(answer, len(json.loads(bundle)["entry"]))

    def version(self) -> str:
        """Return the version of FHIR that the server speaks, by its CapabilityStatement. Raises as :meth:`send`."""
        answer = self._ask("GET", f"{self._base}/metadata", None)
        try:
            statement = json.loads(answer.body)
            kind, version = statement["resourceType"], str(statement["fhirVersion"])
        except (ValueError, KeyError, TypeError):
            kind, version = "", ""
        if kind != "CapabilityStatement":
            msg = "the answer to /metadata is no CapabilityStatement; is url the server's base?"
            raise RefusedByPeer(msg)
        if not version.startswith(_VERSION):
            msg = f"the server speaks FHIR {version[:20]!r}, not R4; set url to its R4 base"
            raise RefusedByPeer(msg)
        return version

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, url: str, content: bytes | None) -> HttpAnswer:
        """Return the answer to a request, asked once more where a kept token has ended before its time."""
        with _translated():
            answer = self._request(method, url, content)
            if answer.status == 401 and self._authorization.refused():
                answer = self._request(method, url, content)
        error = judge(answer)
        if error is not None:
            raise error
        return answer

    def _request(self, method: str, url: str, content: bytes | None) -> HttpAnswer:
        headers = {"Accept": MEDIA_TYPE}
        if content is not None:
            headers["Content-Type"] = MEDIA_TYPE
        token = self._authorization.token(self._client)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        with self._client.stream(method, url, content=content, headers=headers) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    msg = "the server's answer is too long to be one to a transaction; is url the server's base?"
                    raise PeerUnavailable(msg)
            return HttpAnswer(response.status_code, bytes(body), response.headers.get("Retry-After", ""))


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        msg = f"destinations: ca_file: {ca_file} holds no certificates that can be read; put those to trust there (PEM)"
        raise SettingsError(msg) from None


@contextmanager
def _translated() -> Iterator[None]:
    """Turn failures of the connection into the project's errors."""
    try:
        yield
    except httpx2.TimeoutException as error:
        msg = f"no answer from the FHIR server in time ({type(error).__name__}); is it there, and not too slow?"
        raise _failure_of(error)(msg) from None
    except httpx2.HTTPError as error:
        if _is_distrust(error):
            msg = "the FHIR server's certificate is not trusted; set ca_file to that of whoever issued it"
        else:
            msg = f"no connection to the FHIR server ({type(error).__name__}); is it there, and url right?"
        raise _failure_of(error)(msg) from None


def _failure_of(error: httpx2.HTTPError) -> type[PeerUnavailable]:
    """Return what failed: a connection that never stood, or one over which a result was under way."""
    never_stood = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    return PeerUnavailable if never_stood else AnswerMissing


def _is_distrust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False

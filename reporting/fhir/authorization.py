"""Who we are towards a FHIR server: nobody, a bearer token from a file, or one of OAuth2 (RFC 6749, 4.4; RFC 6750)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import httpx2

from config.destinations import FhirDestination
from config.errors import PeerUnavailable, SettingsError
from config.secret_file import read_secret
from reporting.fhir.answer import retry_after_seconds

_BEFORE_ITS_END_SECONDS = 30.0
"""A token is renewed so long before it ends: a transaction may take that long."""
_UNKNOWN_LIFE_SECONDS = 300.0
"""Of a token whose answer does not say how long it lives (RFC 6749, 5.1: only recommended)."""


class Authorization(Protocol):
    """Gives the token to send."""

    def token(self, client: httpx2.Client) -> str | None:
        """Return the bearer token, None where none is sent."""

    def refused(self) -> bool:
        """Take notice that the token was refused; say whether another one may be had at once."""


def authorization_of(destination: FhirDestination) -> Authorization:
    """Return how the settings have us log in."""
    if destination.token_file is not None:
        return _TokenFile(destination.token_file)
    if destination.client_secret_file is not None:
        return ClientCredentials(destination, destination.client_secret_file)
    return _Nobody()


class _Nobody:
    def token(self, client: httpx2.Client) -> str | None:  # noqa: ARG002 - the protocol's
        return None

    def refused(self) -> bool:
        return False


class _TokenFile:
    """A token that somebody else renews: the file is read for each transaction."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def token(self, client: httpx2.Client) -> str | None:  # noqa: ARG002 - the protocol's
        return _secret_of("token_file", self._file)

    def refused(self) -> bool:
        return False


class ClientCredentials:
    """A token of an OAuth2 server, kept until it ends. ``clock`` gives seconds that never go back."""

    def __init__(
        self, destination: FhirDestination, secret_file: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._destination = destination
        self._secret_file = secret_file
        self._clock = clock
        self._token: str | None = None
        self._until = 0.0

    def token(self, client: httpx2.Client) -> str | None:
        """Return the token that is kept, or a new one where it has ended."""
        if self._token is None or self._clock() >= self._until:
            self._token = None
            self._token, life = self._fetch(client)
            self._until = self._clock() + max(life - _BEFORE_ITS_END_SECONDS, life / 2)
        return self._token

    def refused(self) -> bool:
        """Forget the token that is kept."""
        had = self._token is not None
        self._token = None
        return had

    def _fetch(self, client: httpx2.Client) -> tuple[str, float]:
        """Return a new token and how long it lives, in seconds."""
        form = {"grant_type": "client_credentials"}
        if self._destination.scope:
            form["scope"] = self._destination.scope
        # RFC 6749, 2.3.1: identifier and secret are form-encoded before they go into the header.
        secret = _secret_of("client_secret_file", self._secret_file)
        login = httpx2.BasicAuth(quote(self._destination.client_id, safe=""), quote(secret, safe=""))
        answer = client.post(self._destination.token_url, data=form, auth=login, headers={"Accept": "application/json"})
        if answer.status_code >= 500 or answer.status_code == 429:
            after = retry_after_seconds(answer.headers.get("Retry-After", ""))
            msg = f"the token server answered HTTP {answer.status_code}: it is away or busy"
            raise PeerUnavailable(msg, after_seconds=after)
        if answer.status_code != 200:
            msg = f"the token server answered HTTP {answer.status_code}: check token_url, client_id, secret, scope"
            raise PeerUnavailable(msg)
        return _token_of(answer)


def _secret_of(key: str, file: Path) -> str:
    """Return a secret from its file.

    Raises PeerUnavailable where there is none: whoever renews it may be at it just now.
    """
    try:
        secret = read_secret(f"destinations: {key}", file)
    except SettingsError as error:
        raise PeerUnavailable(str(error)) from None
    if not secret or not secret.isascii() or not secret.isprintable():
        msg = f"destinations: {key}: {file} is empty or holds what is no secret; write the secret alone into it"
        raise PeerUnavailable(msg)
    return secret


def _token_of(answer: httpx2.Response) -> tuple[str, float]:
    try:
        content = answer.json()
        token, life = content["access_token"], float(content.get("expires_in", _UNKNOWN_LIFE_SECONDS))
    except (ValueError, KeyError, TypeError, AttributeError):
        msg = "the token server's answer is no token; check token_url"
        raise PeerUnavailable(msg) from None
    if (
        not isinstance(token, str)
        or not token.isascii()
        or not token.isprintable()
        or str(content.get("token_type", "")).lower() != "bearer"
    ):
        msg = "the token server gives no bearer token; check token_url"
        raise PeerUnavailable(msg)
    return token, life

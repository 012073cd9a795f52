"""A login that is under way: one secret in a cookie, from which state, nonce and PKCE verifier follow.

Nothing is kept on this side, so that any console of a node may take the browser back.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from starlette.requests import cookie_parser
from starlette.responses import Response

_NAME = "cxrnode-openid"
_SECRET_BYTES = 32
_SECONDS = 600
"""How long somebody may take at the provider."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login that was begun, and the address of these pages that it leads to."""

    secret: str
    following: str

    @property
    def state(self) -> str:
        """What the provider gives back, so that no other site can begin a login here (RFC 6749 10.12)."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What the ID token repeats, so that it is of this login."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What proves that the code is redeemed by who asked for it (RFC 7636 4.1)."""
        return self._derived("verifier")

    def is_of(self, state: str) -> bool:
        """Say whether the provider's answer is to this login."""
        return hmac.compare_digest(self.state.encode(), state.encode("utf-8", "surrogatepass"))

    def _derived(self, purpose: str) -> str:
        key = hmac.new(self.secret.encode("utf-8", "surrogatepass"), purpose.encode(), hashlib.sha256).digest()
        return _base64url(key)


def new_attempt(following: str) -> Attempt:
    """Begin a login that leads to an address of these pages."""
    return Attempt(secrets.token_urlsafe(_SECRET_BYTES), following)


@dataclass(frozen=True, slots=True)
class AttemptCookie:
    """The cookie of a login that is under way.

    It is SameSite=Lax: the browser comes back from the provider's site. It opens nothing.
    """

    encrypted: bool

    @property
    def name(self) -> str:
        """Return its name."""
        return f"__Host-{_NAME}" if self.encrypted else _NAME

    def read(self, header: str) -> Attempt | None:
        """Return the login that a Cookie header brings."""
        secret, _, following = cookie_parser(header).get(self.name, "").partition(".")
        if not secret:
            return None
        try:
            address = base64.urlsafe_b64decode(following.encode() + b"==").decode()
        except ValueError:
            address = "/"
        return Attempt(secret, address)

    def put(self, response: Response, attempt: Attempt) -> None:
        """Have the browser keep a login that was begun."""
        value = f"{attempt.secret}.{_base64url(attempt.following.encode())}"
        response.set_cookie(
            self.name, value, max_age=_SECONDS, path="/", secure=self.encrypted, httponly=True, samesite="lax"
        )

    def remove(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self.name, path="/", secure=self.encrypted, httponly=True, samesite="lax")


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

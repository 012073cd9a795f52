"""The cookie that holds a session's token."""

from dataclasses import dataclass

from starlette.requests import cookie_parser
from starlette.responses import Response

_NAME = "cxrnode"


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """How the cookie is set and read; ``encrypted`` where browsers reach the pages over TLS.

    ``__Host-`` has a browser take it over TLS only and from this very host, so that no neighbour can plant one
    (RFC 6265bis 4.1.3.2). No script reads it, and no other site's request carries it.
    """

    encrypted: bool

    @property
    def name(self) -> str:
        """Return its name."""
        return f"__Host-{_NAME}" if self.encrypted else _NAME

    def read(self, header: str) -> str:
        """Return the token that a Cookie header brings; empty without one."""
        return cookie_parser(header).get(self.name, "")

    def put(self, response: Response, token: str) -> None:
        """Have the browser keep a token until it is closed."""
        response.set_cookie(self.name, token, path="/", secure=self.encrypted, httponly=True, samesite="strict")

    def remove(self, response: Response) -> None:
        """Have the browser forget its token."""
        response.delete_cookie(self.name, path="/", secure=self.encrypted, httponly=True, samesite="strict")

"""The cookies: one holds a session's token, one the language that somebody chose."""

from dataclasses import dataclass

from starlette.requests import cookie_parser
from starlette.responses import Response

from config.language.translation import Language

_NAME = "cxrnode"
_A_YEAR = 365 * 24 * 3600


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


@dataclass(frozen=True, slots=True)
class LanguageCookie:
    """The cookie that keeps the language of a browser's pages: no secret, and nothing follows from it but words."""

    name: str = "cxrnode-language"

    def read(self, header: str) -> Language | None:
        """Return the language that a Cookie header brings; None without one that is spoken here."""
        chosen = cookie_parser(header).get(self.name, "")
        return Language(chosen) if chosen in set(Language) else None

    def put(self, response: Response, chosen: Language, *, encrypted: bool) -> None:
        """Have the browser keep a language for a year."""
        response.set_cookie(
            self.name, chosen.value, max_age=_A_YEAR, path="/", secure=encrypted, httponly=True, samesite="lax"
        )


language_cookie = LanguageCookie()

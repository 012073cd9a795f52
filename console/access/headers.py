"""The headers that every answer carries."""

from collections.abc import Mapping

WITHOUT_SCRIPT = frozenset({"/login", "/login/openid", "/login/openid/done", "/logout", "/password", "/health"})
"""Where passwords are typed, or nothing is shown, no script runs at all."""
_POLICY = (
    "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a browser sends "Origin: null" with our own forms
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def _with_policy(scripts: str) -> Mapping[str, str]:
    return {**HEADERS, "Content-Security-Policy": _POLICY.replace("script-src 'none'", scripts)}


_WITH_SCRIPT = _with_policy("script-src 'self'")
_WITH_SCRIPT_AND_IMAGES = _with_policy("script-src 'self'; img-src 'self' data:")


def headers_of(path: str) -> Mapping[str, str]:
    """Return the headers of an answer under a path."""
    if path in WITHOUT_SCRIPT:
        return HEADERS
    return _WITH_SCRIPT_AND_IMAGES if path.startswith("/study/") else _WITH_SCRIPT

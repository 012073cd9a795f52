"""The headers that every answer carries."""

from collections.abc import Mapping

_PAGES_WITH_SCRIPT = frozenset({"/analyse"})
"""They run a script of ours and show images that came with the answer."""
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
_WITH_SCRIPT: Mapping[str, str] = {
    **HEADERS,
    "Content-Security-Policy": _POLICY.replace("script-src 'none'", "script-src 'self'; img-src 'self' data:"),
}


def headers_of(path: str) -> Mapping[str, str]:
    """Return the headers of an answer under a path."""
    return _WITH_SCRIPT if path in _PAGES_WITH_SCRIPT or path.startswith("/study/") else HEADERS

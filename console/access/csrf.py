"""Forms of other sites in a visitor's browser (CSRF): told by two headers, and by a token that only our pages know."""

import hashlib
import re
import secrets
from urllib.parse import urlsplit

FIELD = "csrf"
HEADER = "x-csrf-token"
LONGEST_PREFIX = 512
"""Bytes of a form within which its first field, the token, has ended."""
_TOKEN = rb"([0-9a-f]{64})"
_URL_ENCODED = re.compile(FIELD.encode() + rb"=" + _TOKEN + rb"(?:&|\Z)")
_MULTIPART = re.compile(
    rb'--[^\r\n]{1,70}\r\nContent-Disposition: form-data; name="' + FIELD.encode() + rb'"\r\n\r\n' + _TOKEN + rb"\r\n"
)


def is_same_origin(host: str, origin: str, fetch_site: str) -> bool:
    """Say whether a form was sent from these pages, and by no page elsewhere in a visitor's browser.

    Parameters
    ----------
    host, origin, fetch_site
        The headers Host, Origin (RFC 6454) and Sec-Fetch-Site (Fetch Metadata); empty where absent. A page cannot set
        any of them. Sec-Fetch-Site decides where there is one; the scheme is not compared, as a proxy may speak TLS.
    """
    if fetch_site:
        return fetch_site == "same-origin"
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return bool(host) and parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def token_of(session_token: str) -> str:
    """Return the token of a session's forms. It follows from the session's, which it does not give away."""
    return hashlib.sha256(f"{FIELD}:{session_token}".encode("utf-8", "surrogatepass")).hexdigest()


def sent_token(content_type: str, prefix: bytes) -> str:
    """Return the token that a form brings as its first field, from the first bytes of its body; empty without one.

    A form is not read as a whole here: it may be large, and its page alone bounds it.
    """
    kind = content_type.partition(";")[0].strip().lower()
    pattern = {"application/x-www-form-urlencoded": _URL_ENCODED, "multipart/form-data": _MULTIPART}.get(kind)
    match = pattern.match(prefix) if pattern is not None else None
    return match[1].decode() if match is not None else ""


def is_right(session_token: str, sent: str) -> bool:
    """Say whether a form's token belongs to the session."""
    return secrets.compare_digest(token_of(session_token).encode(), sent.encode("utf-8", "surrogatepass"))

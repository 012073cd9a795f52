"""Hosts and addresses on the web: which are this machine, and which a secret may travel to."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Say whether only this machine can be reached by a name or an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_web_address(value: str) -> bool:
    """Say whether passwords and tokens may travel to an address: it has https, or leads to this machine."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        return False
    plain = value.isascii() and value.isprintable() and not any(mark in value for mark in "?#@\\ ")
    return bool(host) and plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))

"""Who a request comes from."""

from ipaddress import ip_address

from starlette.requests import Request
from starlette.types import Scope

_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def address_of(scope: Scope) -> str:
    """Return the address a request came from, as the network or a trusted proxy says it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_from_here(request: Request) -> bool:
    """Say whether a program on this machine asks for this machine.

    What a proxy on it passes on comes from elsewhere, and so does what a browser asks of a name that was made to point
    here (DNS rebinding).
    """
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    try:
        return request.url.hostname in _THIS_MACHINE and ip_address(address_of(request.scope)).is_loopback
    except ValueError:  # no host, or no address
        return False

"""Who a request comes from."""

from ipaddress import ip_address

from starlette.requests import Request
from starlette.types import Scope

NOBODY = "not logged in"


def address_of(scope: Scope) -> str:
    """Return the address a request came from, as the network or a trusted proxy says it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_from_here(request: Request) -> bool:
    """Say whether a program on this machine asks. What a proxy on it passes on comes from elsewhere."""
    if any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via")):
        return False
    try:
        return ip_address(address_of(request.scope)).is_loopback
    except ValueError:
        return False

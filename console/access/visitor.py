"""Who a request comes from."""

from starlette.types import Scope

NOBODY = "not logged in"


def address_of(scope: Scope) -> str:
    """Return the address a request came from, as the network or a trusted proxy says it."""
    client = scope.get("client")
    return str(client[0]) if client else ""

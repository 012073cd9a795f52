"""The description of ``/api/v1`` (OpenAPI 3.1), with the role and the scope that each operation asks for."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute

from console.access.roles import ROUTES
from console.api.prefix import PREFIX
from console.problems import MEDIA_TYPE, Problem
from console.site import Site

_ABOUT = "What the node holds, says and sends, for programs. AI results, not verified by a radiologist; research use."
_REFUSED = {
    "description": "Problem details (RFC 9457): what is wrong, and what to do.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def routes(_: Site, described: Sequence[BaseRoute]) -> APIRouter:
    """Return the route of the description of other routes."""

    @cache
    def document() -> dict[str, Any]:
        return describe(described)  # at the first look: it takes as long as all the rest of a start

    def description() -> JSONResponse:
        """Return this description."""
        return JSONResponse(document())

    router = APIRouter(prefix=PREFIX)
    router.get("/openapi.json", include_in_schema=False)(description)
    return router


def describe(described: Sequence[BaseRoute]) -> dict[str, Any]:
    """Return the description of routes as plain JSON values."""
    document = get_openapi(title="cxrnode", version="1", description=_ABOUT, routes=described)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            rule = ROUTES[method.upper(), path]
            operation["description"] = f"{operation.get('description', '')}\n\nRole: {rule.role}. Scope: {rule.scope}."
            operation["security"] = [{"token": []}, {"session": []}]
            operation["responses"].pop("422", None)
            operation["responses"] |= {"4XX": _REFUSED, "5XX": _REFUSED}
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token; `cxrnode token add` makes one."},
        "session": {
            "type": "apiKey", "in": "cookie", "name": "cxrnode",
            "description": "A login to the pages; POST needs its token in X-CSRF-Token, too.",
        },
    }  # fmt: skip
    return document

"""JSON that a program sends: bounded before it is read, and described by the model that checks it."""

import json
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

_MOST_BYTES = 16 * 1024


class Body(BaseModel):
    """What a program sends; no field but those that are named."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


Sent = TypeVar("Sent", bound=Body)


async def read_body(request: Request, model: type[Sent]) -> Sent:
    """Return what a request brings.

    Raises
    ------
    HTTPException
        400, 411, 413 or 415: the body ends early, is of unknown size, too large, or no JSON by its type.
    RequestValidationError
        It does not fit the model.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "Send JSON, with the header Content-Type: application/json.")
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()):
        raise HTTPException(411, "Send the body whole, with the header Content-Length.")
    if int(length) > _MOST_BYTES:
        raise HTTPException(413, f"The body has more than {_MOST_BYTES} bytes.")
    try:
        return model.model_validate(json.loads(await request.body()))
    except ClientDisconnect:
        raise HTTPException(400, "The body ended early.") from None
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**detail, "loc": ("body", *detail["loc"])} for detail in details]) from None
    except (ValueError, RecursionError):
        raise HTTPException(422, "The body is no JSON.") from None


def described(model: type[Body]) -> dict[str, Any]:
    """Return what the description says of a request that brings such a body."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

"""Short forms: a few named fields of text, bounded before they are read."""

from collections.abc import Mapping

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

_MOST_FIELDS = 6
_LONGEST_FIELD = 2048
_MOST_BYTES = 8192


async def read_fields(
    request: Request, *, most_fields: int = _MOST_FIELDS, most_bytes: int = _MOST_BYTES
) -> Mapping[str, str]:
    """Return the fields of a form of at most so many fields and bytes.

    Raises
    ------
    HTTPException
        400, 411 or 413: the form is broken or ends early, is of unknown size, or too large.
    """
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()):
        raise HTTPException(411)
    if int(length) > most_bytes:
        raise HTTPException(413)
    try:
        form = await request.form(max_files=0, max_fields=most_fields, max_part_size=_LONGEST_FIELD)
    except ClientDisconnect:
        raise HTTPException(400) from None
    return {name: value for name, value in form.items() if isinstance(value, str)}

"""Files that a browser sends with a form: bounded in number and size before they are read."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

from config.console_settings import ConsoleSettings
from config.errors import PermanentError
from config.language.translation import gettext as _
from config.language.translation import marked
from console.words import printable

_FORM_BYTES_PER_FILE = 16 * 1024
"""What a form adds to each file: boundary, names, types."""
_MOST_FIELDS = 4
_LONGEST_NAME = 120


class UploadRefused(PermanentError):
    """A form is not taken; ``status`` is that of HTTP, the message says what to do, ``english`` says it to the log."""

    def __init__(self, status: int, message: str, **values: object) -> None:
        super().__init__(_(message) % values)
        self.status = status
        self.english = message % values


@dataclass(frozen=True, slots=True)
class SentFile:
    """One file of a form. Its bytes are in memory, or in a temporary file without a name, until it is closed."""

    name: str
    """As the browser calls it, to show it back; never a path to anything here."""
    size: int
    file: UploadFile


@dataclass(frozen=True, slots=True)
class SentForm:
    """The files of a form, and which model they are for; empty for the node's own."""

    files: tuple[SentFile, ...]
    model: str


async def read_form(request: Request, settings: ConsoleSettings, *, most_fields: int = _MOST_FIELDS) -> SentForm:
    """Return the files of a multipart form (RFC 7578) and its field ``model``; closing the request closes them.

    ``most_fields`` is how many fields that are no files the form may have.

    Raises
    ------
    UploadRefused
        The form is too large, has too many files, no file, or is no form.
    ClientDisconnect
        The browser went away.
    """
    form = await _form(request, settings, most_fields)
    files = [value for _, value in form.multi_items() if not isinstance(value, str) and value.filename]
    if not files:
        raise UploadRefused(400, marked("No file was chosen: choose one first."))
    sent = tuple(SentFile(_short(printable(file.filename or "")), file.size or 0, file) for file in files)
    model = form.get("model", "")
    return SentForm(sent, printable(model) if isinstance(model, str) else "")


async def _form(request: Request, settings: ConsoleSettings, most_fields: int) -> Any:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise UploadRefused(415, marked("This is not the form of this page: choose the files here."))
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise UploadRefused(411, marked("The size of the form was not given: send it from a browser."))
    most = settings.upload_files * (settings.upload_bytes + _FORM_BYTES_PER_FILE)
    if int(length) > most:
        words = marked("These files are too large together: %(size)s MB are taken at once.")
        raise UploadRefused(413, words, size=most // 1_000_000)
    try:
        return await request.form(
            max_files=settings.upload_files, max_fields=most_fields, max_part_size=MultiPartParser.max_part_size
        )
    except HTTPException:
        words = marked("The form is broken or has more than %(count)s files: send fewer at once.")
        raise UploadRefused(400, words, count=settings.upload_files) from None


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"

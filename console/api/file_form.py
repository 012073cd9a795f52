"""The form in which programs send files to a model: how it is described, and what can become of it."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from config.errors import CxrnodeError, StorageFull
from config.logs import get_logger
from console.answers import Busy, UnknownModel
from console.site import Site
from console.upload import SentForm, UploadRefused, read_form

log = get_logger(__name__)
Result = TypeVar("Result")
_RETRY_SECONDS = 5
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "model": {"type": "string", "maxLength": 100, "description": "Name of an installed package."},
                    },
                }
            }
        },
    }
}


async def answer_form(site: Site, request: Request, answer: Callable[[Request, SentForm], Result]) -> Result:
    """Return what ``answer`` makes of the form of a request, in a thread, when it is its turn at the model.

    Raises
    ------
    HTTPException
        The form is not taken, no such model is installed or it cannot be asked, or others are before it.
    """
    try:
        with site.answers.admitted():
            form = await read_form(request, site.settings.console, most_fields=1)
            return await run_in_threadpool(answer, request, form)
    except Busy:
        headers = {"Retry-After": str(_RETRY_SECONDS)}
        raise HTTPException(503, "Others are waiting for the model: try again in some seconds.", headers) from None
    except UploadRefused as refused:
        raise HTTPException(refused.status, str(refused)) from None
    except UnknownModel:
        raise HTTPException(404, "There is no model of this name; `GET /api/v1/models` lists them.") from None
    except StorageFull as full:
        log.error("upload-not-kept", error=str(full))
        raise HTTPException(503, f"The file cannot be kept: {full}.") from None
    except CxrnodeError as error:
        log.error("model-not-opened", error=str(error))
        raise HTTPException(503, "The model cannot be asked; `cxrnode doctor` says why.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The form ended before its files.") from None  # nobody is there to read it
    finally:
        await request.close()  # and with it the temporary files

"""The answer to files of a program, as ``cxrnode analyse --json`` gives it. Nothing is stored."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from config.errors import CxrnodeError
from config.logs import get_logger
from console.answers import Busy, UnknownModel
from console.api import models
from console.api.prefix import PREFIX
from console.site import Site, visitor
from console.upload import SentForm, UploadRefused, read_form
from inference.findings import ModelIdentity
from reporting.image_answer import answer_to_json
from reporting.words import DISCLAIMER
from tracking import audit
from tracking.audit import AuditEventType

log = get_logger(__name__)
_RETRY_SECONDS = 5
_FORM: dict[str, Any] = {
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


def routes(site: Site) -> APIRouter:
    """Return the route of the answers; none where the settings allow no uploads."""
    router = APIRouter(prefix=PREFIX, tags=["analyse"])
    if site.settings.console.analyse:
        router.post("/analyse", response_model=models.FileAnswers, openapi_extra=_FORM)(Analyse(site).answer)
    return router


class Analyse:
    """The answers; they wait for the same model, in the same line, as those of the page."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def answer(self, request: Request) -> models.FileAnswers:
        """Say what the model finds on PNG, JPEG or DICOM files, sent as a form with one part for each."""
        try:
            with self._site.answers.admitted():
                form = await read_form(request, self._site.settings.console, most_fields=1)
                return await run_in_threadpool(self._answer, request, form)
        except Busy:
            headers = {"Retry-After": str(_RETRY_SECONDS)}
            raise HTTPException(503, "Others are waiting for the model: try again in some seconds.", headers) from None
        except UploadRefused as refused:
            raise HTTPException(refused.status, str(refused)) from None
        except UnknownModel:
            raise HTTPException(400, "There is no model of this name; `GET /api/v1/models` lists them.") from None
        except CxrnodeError as error:
            log.error("model-not-opened", error=str(error))
            raise HTTPException(503, "The model cannot be asked; `cxrnode doctor` says why.") from None
        except ClientDisconnect:
            raise HTTPException(400, "The form ended before its files.") from None  # nobody is there to read it
        finally:
            await request.close()  # and with it the temporary files

    def _answer(self, request: Request, form: SentForm) -> models.FileAnswers:
        model: ModelIdentity | None = None
        answers = []
        for sent in form.files:
            if sent.size > self._site.settings.console.upload_bytes:
                kind, analysis, seconds = None, self._site.answers.too_large(), 0.0
            else:
                answer, model = self._site.answers.analyse(sent.file.file.read(), form.model)
                kind, analysis, seconds = answer.kind, answer.analysis, answer.seconds
            values = answer_to_json(analysis)
            answers.append(models.AnsweredFile(file=sent.name, kind=kind, seconds=round(seconds, 3), **values))
        analysed = sum(answer.analysed for answer in answers)
        with self._site.database.transaction() as tx:
            detail: audit.Detail = {
                "how": "api", "files": len(answers), "analysed": analysed, "refused": len(answers) - analysed,
            }  # fmt: skip
            audit.append(tx, AuditEventType.FILES_ANALYSED, detail=detail | visitor(request))
        return models.FileAnswers(
            disclaimer=DISCLAIMER, model=None if model is None else models.Model.model_validate(model),
            files=tuple(answers),
        )  # fmt: skip

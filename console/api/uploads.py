"""Uploads of programs: files that become studies of their owner's. To send and to delete one are acts."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from config.errors import CxrnodeError, StorageFull
from config.logs import get_logger
from console.answers import Busy, UnknownModel
from console.api import models
from console.api.analyse import FORM, RETRY_SECONDS
from console.api.prefix import PREFIX
from console.pages.analyse import note_files
from console.site import Site, actor_of
from console.upload import SentForm, UploadRefused, read_form
from console.uploading import UploadAnswer
from reporting.image_answer import answer_to_json
from reporting.words import DISCLAIMER

log = get_logger(__name__)


def routes(site: Site) -> APIRouter:
    """Return the routes of uploads; none where the settings allow none."""
    router = APIRouter(prefix=PREFIX, tags=["uploads"])
    if site.settings.console.analyse:
        pages = Uploads(site)
        router.post("/uploads", response_model=models.KeptFiles, openapi_extra=FORM)(pages.upload)
    return router


class Uploads:
    """What programs do with uploads, as the pages do."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def upload(self, request: Request) -> models.KeptFiles:
        """Keep PNG, JPEG or DICOM files as studies of kind `upload`, each with the model's answer."""
        try:
            with self._site.answers.admitted():
                form = await read_form(request, self._site.settings.console, most_fields=1)
                return await run_in_threadpool(self._keep, request, form)
        except Busy:
            headers = {"Retry-After": str(RETRY_SECONDS)}
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

    def _keep(self, request: Request, form: SentForm) -> models.KeptFiles:
        self._site.answers.require(form.model)
        by = actor_of(request)
        answers = [self._site.uploads.take(file, form.model, by) for file in form.files]
        note_files(self._site, request, answers, "api")
        return models.KeptFiles(disclaimer=DISCLAIMER, files=tuple(map(_kept, answers)))


def _kept(answer: UploadAnswer) -> models.KeptFile:
    values: dict[str, Any] = answer_to_json(answer.analysis)
    return models.KeptFile(
        file=answer.name, kind=answer.kind, seconds=round(answer.seconds, 3), study_uid=answer.study_uid,
        model=None if answer.model is None else models.Model.model_validate(answer.model), **values,
    )  # fmt: skip

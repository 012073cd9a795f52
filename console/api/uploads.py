"""Uploads of programs: files that become studies of their owner's, sent or deleted when the owner says so."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from config.errors import ActionRefused, CxrnodeError, StorageFull
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
from reporting.reading import DISCLAIMER
from tracking import act_words, uploads
from tracking.deletion import Stores
from tracking.users import Identity

log = get_logger(__name__)
Uid = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


def routes(site: Site) -> APIRouter:
    """Return the routes of uploads; none where the settings allow none."""
    router = APIRouter(prefix=PREFIX, tags=["uploads"])
    if site.settings.console.analyse:
        pages = Uploads(site)
        router.post("/uploads", response_model=models.KeptFiles, openapi_extra=FORM)(pages.upload)
        router.post("/uploads/{uid}/send", response_model=models.Done)(pages.send)
        router.post("/uploads/{uid}/discard", response_model=models.Done)(pages.discard)
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

    def send(self, request: Request, uid: Uid) -> models.Done:
        """Let an upload of one's own go to the destinations; an administrator may send those of others."""
        names = {entry.name for entry in self._site.settings.destinations}

        def act(tx: Session, by: Identity) -> str:
            released = uploads.release_upload(tx, uid, by=by, destinations=names)
            return f"on the way to {', '.join(sorted(names))}" if released else "sent already, nothing changed"

        return self._do(request, uid, act)

    def discard(self, request: Request, uid: Uid) -> models.Done:
        """Delete an upload of one's own at once; an administrator may delete those of others."""
        stores = Stores(self._site.settings.instance_dir, self._site.settings.document_dir)

        def act(tx: Session, by: Identity) -> str:
            return act_words.deleted(uploads.discard_upload(tx, uid, by=by, stores=stores))

        return self._do(request, uid, act)

    def _do(self, request: Request, uid: str, act: Callable[[Session, Identity], str]) -> models.Done:
        with self._site.database.reading() as read:
            if uploads.upload_of(read, uid) is None:
                raise HTTPException(404)
        try:
            with self._site.database.transaction() as tx:
                outcome = act(tx, request.state.identity)
        except ActionRefused as refused:
            raise HTTPException(409, f"{refused}.") from None
        return models.Done(outcome=outcome)

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

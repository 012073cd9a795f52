"""Uploads of programs: files that become studies of their owner's. To send and to delete one are acts."""

from typing import Any

from fastapi import APIRouter, Request

from console.api.file_form import FORM, answer_form
from console.api.models import file_models, package_models
from console.api.prefix import PREFIX
from console.pages.analyse import note_files
from console.site import Site, actor_of
from console.upload import SentForm
from console.uploading import UploadAnswer
from reporting.image_answer import answer_to_json
from reporting.words import DISCLAIMER


def routes(site: Site) -> APIRouter:
    """Return the routes of uploads; none where the settings allow none."""
    router = APIRouter(prefix=PREFIX, tags=["uploads"])
    if site.settings.console.analyse:
        pages = Uploads(site)
        router.post("/uploads", response_model=file_models.KeptFiles, openapi_extra=FORM)(pages.upload)
    return router


class Uploads:
    """What programs do with uploads, as the pages do."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def upload(self, request: Request) -> file_models.KeptFiles:
        """Keep PNG, JPEG or DICOM files as studies of kind `upload`, each with the model's answer."""
        return await answer_form(self._site, request, self._keep)

    def _keep(self, request: Request, form: SentForm) -> file_models.KeptFiles:
        self._site.answers.require(form.model)
        by = actor_of(request)
        answers = [self._site.uploads.take(file, form.model, by) for file in form.files]
        note_files(self._site, request, answers, "api")
        return file_models.KeptFiles(disclaimer=DISCLAIMER, files=tuple(map(_kept, answers)))


def _kept(answer: UploadAnswer) -> file_models.KeptFile:
    values: dict[str, Any] = answer_to_json(answer.analysis)
    return file_models.KeptFile(
        file=answer.name, kind=answer.kind, seconds=round(answer.seconds, 3), study_uid=answer.study_uid,
        model=None if answer.model is None else package_models.Model.model_validate(answer.model), **values,
    )  # fmt: skip

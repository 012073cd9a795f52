"""The answer to files of a program, as ``cxrnode analyse --json`` gives it. Nothing is stored."""

from fastapi import APIRouter, Request

from console.api.file_form import FORM, answer_form
from console.api.models import file_models, package_models
from console.api.prefix import PREFIX
from console.site import Site, visitor
from console.upload import SentForm
from inference.findings import ModelIdentity
from reporting.image_answer import answer_to_json
from reporting.words import DISCLAIMER
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType


def routes(site: Site) -> APIRouter:
    """Return the route of the answers; none where the settings allow no uploads."""
    router = APIRouter(prefix=PREFIX, tags=["analyse"])
    if site.settings.console.analyse:
        router.post("/analyse", response_model=file_models.FileAnswers, openapi_extra=FORM)(Analyse(site).answer)
    return router


class Analyse:
    """The answers; they wait for the same model, in the same line, as those of the page."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def answer(self, request: Request) -> file_models.FileAnswers:
        """Say what the model finds on PNG, JPEG or DICOM files, sent as a form with one part for each."""
        return await answer_form(self._site, request, self._answer)

    def _answer(self, request: Request, form: SentForm) -> file_models.FileAnswers:
        self._site.answers.require(form.model)
        model: ModelIdentity | None = None
        answers = []
        for sent in form.files:
            if sent.size > self._site.settings.console.upload_bytes:
                kind, analysis, seconds = None, self._site.answers.too_large(), 0.0
            else:
                answer, model = self._site.answers.analyse(sent.file.file.read(), form.model)
                kind, analysis, seconds = answer.kind, answer.analysis, answer.seconds
            values = answer_to_json(analysis)
            answers.append(file_models.AnsweredFile(file=sent.name, kind=kind, seconds=round(seconds, 3), **values))
        analysed = sum(answer.analysed for answer in answers)
        with self._site.database.transaction() as tx:
            detail: audit.Detail = {
                "how": "api", "files": len(answers), "analysed": analysed, "refused": len(answers) - analysed,
            }  # fmt: skip
            audit.append(tx, AuditEventType.FILES_ANALYSED, detail=detail | visitor(request))
        return file_models.FileAnswers(
            disclaimer=DISCLAIMER, model=None if model is None else package_models.Model.model_validate(model),
            files=tuple(answers),
        )  # fmt: skip

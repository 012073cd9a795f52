"""The page on which somebody uploads files: each becomes a study, and one alone is shown at once."""

import threading
from collections.abc import Sequence
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from config.errors import CxrnodeError, StorageFull
from config.language.translation import gettext as _
from config.logs import get_logger
from console.access.visitor import address_of
from console.answers import Busy, UnknownModel
from console.refusal_log import refusal_log
from console.site import POST_PAGE, READ_PAGE, Site, actor_of, visitor
from console.upload import SentForm, UploadRefused, read_form
from console.uploading import UploadAnswer
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType

log = get_logger(__name__)
RETRY_SECONDS = 5


def routes(site: Site) -> APIRouter:
    """Return the routes of the form and of its answers; none where the settings allow no uploads."""
    router = APIRouter()
    if site.settings.console.analyse:
        page = AnalysePage(site)
        router.api_route("/analyse", **READ_PAGE)(page.form)
        router.api_route("/analyse", **POST_PAGE)(page.answer)
    return router


class AnalysePage:
    """The form and its answers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._answers = site.answers

    def form(self, request: Request) -> HTMLResponse:
        """Show the form that takes files; meanwhile the model is loaded."""
        if self._site.is_serving:
            threading.Thread(target=self._answers.prepare, name="load-model", daemon=True).start()
        return self._show(request)

    async def answer(self, request: Request) -> Response:
        """Keep and answer the files of a form, and note who asked: one file on its study's page, several in a list."""
        address = address_of(request.scope)
        try:
            with self._answers.admitted():
                form = await read_form(request, self._site.settings.console)
                answers = await run_in_threadpool(self._answer, request, form)
        except Busy:
            refusal_log.add("as many forms as can wait for the model", address)
            problem = _("Others are waiting for the model: try again in some seconds.")
            page = self._show(request, 503, problem=problem)
            page.headers["Retry-After"] = str(RETRY_SECONDS)
            return page
        except UploadRefused as refused:
            refusal_log.add(refused.english, address)
            return self._show(request, refused.status, problem=str(refused))
        except UnknownModel as unknown:
            refusal_log.add("a model that is not installed", address)
            return self._show(request, 400, problem=f"Nothing was analysed: {unknown}.")
        except StorageFull as full:
            log.error("upload-not-kept", error=str(full))
            return self._show(request, 503, problem=f"The file cannot be kept: {full}.")
        except CxrnodeError as error:
            log.error("model-not-opened", error=str(error))
            problem = _("The model cannot be asked: %(error)s. The command `cxrnode doctor` says more.")
            return self._show(request, 503, problem=problem % {"error": error})
        except ClientDisconnect:
            refusal_log.add("a form that ended before its files", address)
            return Response(status_code=400)  # nobody is there to read it
        finally:
            await request.close()  # and with it the temporary files
        if len(answers) == 1 and answers[0].study_uid is not None:
            return RedirectResponse(f"/study/{quote(answers[0].study_uid, '')}", 303)
        return await run_in_threadpool(self._show, request, answers=answers)

    def _answer(self, request: Request, form: SentForm) -> list[UploadAnswer]:
        self._answers.require(form.model)
        by = actor_of(request)
        answers = [self._site.uploads.take(file, form.model, by) for file in form.files]
        note_files(self._site, request, answers)
        return answers

    def _show(
        self, request: Request, code: int = 200, *, answers: Sequence[UploadAnswer] = (), problem: str = ""
    ) -> HTMLResponse:
        console = self._site.settings.console
        return self._site.show(
            request, "analyse.html", code, answers=answers, problem=problem, models=self._answers.models(),
            most_files=console.upload_files, most_bytes=console.upload_bytes, days=console.upload_days,
        )  # fmt: skip


def note_files(site: Site, request: Request, answers: Sequence[UploadAnswer], how: str | None = None) -> None:
    """Write into the audit log who had how many files analysed, and how many of them were kept."""
    analysed = sum(answer.because is None for answer in answers)
    detail: audit.Detail = {
        "files": len(answers), "analysed": analysed, "refused": len(answers) - analysed,
        "kept": sum(answer.study_uid is not None for answer in answers),
    }  # fmt: skip
    with site.database.transaction() as tx:
        noted = detail if how is None else {"how": how, **detail}
        audit.append(tx, AuditEventType.FILES_ANALYSED, detail=noted | visitor(request))

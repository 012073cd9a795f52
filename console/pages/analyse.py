"""The page on which somebody chooses files and sees what the model says of them."""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from config.errors import CxrnodeError
from config.language.translation import gettext as _
from config.logs import get_logger
from console.access.visitor import address_of
from console.answers import Busy, ImageAnswer
from console.refusal_log import refusal_log
from console.site import POST_PAGE, READ_PAGE, Site, visitor
from console.upload import SentFile, UploadRefused, read_files
from tracking import audit
from tracking.audit import AuditEventType

log = get_logger(__name__)
_RETRY_SECONDS = 5


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
        """Show the form that takes files."""
        return self._show(request)

    async def answer(self, request: Request) -> Response:
        """Answer the files of a form on the page that sent it, and note who asked."""
        address = address_of(request.scope)
        try:
            with self._answers.admitted():
                files = await read_files(request, self._site.settings.console)
                answers = await run_in_threadpool(self._answer, request, files)
        except Busy:
            refusal_log.add("as many forms as can wait for the model", address)
            problem = _("Others are waiting for the model: try again in some seconds.")
            page = self._show(request, 503, problem=problem)
            page.headers["Retry-After"] = str(_RETRY_SECONDS)
            return page
        except UploadRefused as refused:
            refusal_log.add(f"a form of files refused with {refused.status}", address)
            return self._show(request, refused.status, problem=str(refused))
        except CxrnodeError as error:
            log.error("model-not-opened", error=str(error))
            problem = _("The model cannot be asked: %(error)s. The command `cxrnode doctor` says more.")
            return self._show(request, 503, problem=problem % {"error": error})
        except ClientDisconnect:
            refusal_log.add("a form that ended before its files", address)
            return Response(status_code=400)  # nobody is there to read it
        finally:
            await request.close()  # and with it the temporary files
        return await run_in_threadpool(self._show, request, answers=answers)

    def _answer(self, request: Request, files: list[SentFile]) -> list[ImageAnswer]:
        answers = [self._answer_file(file) for file in files]
        analysed = sum(answer.because is None for answer in answers)
        with self._site.database.transaction() as tx:
            detail: audit.Detail = {"files": len(answers), "analysed": analysed, "refused": len(answers) - analysed}
            audit.append(tx, AuditEventType.FILES_ANALYSED, detail=detail | visitor(request))
        return answers

    def _answer_file(self, sent: SentFile) -> ImageAnswer:
        if sent.size > self._site.settings.console.upload_bytes:
            return self._answers.too_large(sent.name)
        return self._answers.answer(sent.name, sent.file.file.read())

    def _show(
        self, request: Request, code: int = 200, *, answers: Sequence[ImageAnswer] = (), problem: str = ""
    ) -> HTMLResponse:
        console = self._site.settings.console
        return self._site.show(
            request, "analyse.html", code, answers=answers, problem=problem, model=self._answers.model,
            most_files=console.upload_files, most_bytes=console.upload_bytes,
        )  # fmt: skip

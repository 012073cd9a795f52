"""The pages and what each of them reads. The only thing written is the audit line that says who did what."""

import io
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.telemetry import TelemetryConfig
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from config.errors import CxrnodeError, PermanentError
from config.logs import get_logger
from config.settings import Settings
from console import maps, pictures, words
from console.access import NOBODY, Gate, Login, address_of
from console.answers import Answers, Busy, ImageAnswer
from console.refusal_log import refusal_log
from console.upload import SentFile, UploadRefused, read_files
from tracking import audit, queries, queue, refusals, worklist
from tracking.analyses import load_study
from tracking.audit import AuditEventType
from tracking.clock import now_ms, to_datetime
from tracking.database import Database
from tracking.taken_classes import report_words, taken_classes

log = get_logger(__name__)
ROWS = 25
AUDIT_LINES = 100
VIEWS = 20
REFUSALS = 200
_LAST_PAGE = 100_000
_HIGHEST_LINE = 2**62
_CHUNK = 64 * 1024
_VIEWS = frozenset({AuditEventType.STUDY_VIEWED, AuditEventType.AUDIT_READ})
_STEPS = frozenset(AuditEventType) - _VIEWS
# FastAPI would report addresses of pages and texts of exceptions to a collector that the machine's environment names:
# both can hold patient data.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False,
}  # fmt: skip
_STATIC = Path(__file__).with_name("static")
_FILES = {"style.css": "text/css", "icon.svg": "image/svg+xml", "analyse.js": "text/javascript"}
_RETRY_SECONDS = 5

Word = Annotated[str, Query(max_length=128)]


class Pages:
    """What the pages need: settings, the database, templates."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self._verifying = threading.Lock()
        self._answers = Answers(settings)
        self._templates = Environment(
            loader=PackageLoader("console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        self._templates.globals.update(words=words, node=settings.node.ae_title, statuses=worklist.STATUSES,
                                       may_analyse=settings.console.analyse)  # fmt: skip
        self._templates.filters.update(moment=words.moment, line_time=lambda line: words.moment(to_datetime(line.at)))

    def show(self, request: Request, template: str, code: int = 200, **values: Any) -> HTMLResponse:
        """Return a page; every value is escaped."""
        user = getattr(request.state, "user", NOBODY)
        return HTMLResponse(
            self._templates.get_template(template).render(user=user, place=request.url.path, **values), code
        )

    def worklist(self, request: Request, q: Word = "", status: Word = "", page: int = 1) -> HTMLResponse:
        """Show the studies in which something arrived last."""
        search, page = words.printable(q), max(1, min(page, _LAST_PAGE))
        status = status if status in worklist.STATUSES else ""
        with self.database.reading() as read:
            found = worklist.find_studies(read, status=status, search=search, offset=(page - 1) * ROWS, limit=ROWS)
            now = to_datetime(read.scalar(select(now_ms())) or 0)
        return self.show(
            request, "worklist.html", found=found, search=search, status=status, page=page, rows=ROWS, now=now,
            most=worklist.COUNTED_UP_TO,
        )  # fmt: skip

    def study(self, request: Request, uid: str) -> HTMLResponse:
        """Show one study with all that is on record about it, and note who looked."""
        self._note_view(request, uid, {"what": "study"})
        with self.database.reading() as read:
            study = worklist.study_page(read, uid)
            standing = worklist.standing_analysis(read, uid)
            history = audit.last_lines(read, AUDIT_LINES, study_uid=uid, types=_STEPS)
            views = audit.last_lines(read, VIEWS, study_uid=uid, types=_VIEWS)
        if study is None:
            raise HTTPException(404)
        return self.show(
            request, "study.html", study=study, maps=maps.by_capture(standing), history=history, views=views[::-1],
            most=AUDIT_LINES,
        )  # fmt: skip

    def capture(self, request: Request, uid: str, document: str, full: bool = False) -> Response:
        """Show a secondary capture as a picture, and note who looked; the database alone says which file it is."""
        with self.database.reading() as read:
            file = worklist.find_capture(read, words.printable(uid), words.printable(document))
        if file is None:
            raise HTTPException(404)
        self._note_view(request, uid, {"what": "capture", "document_uid": file.uid})
        try:
            png = pictures.draw(self.settings.document_dir, file, longest_side=None if full else pictures.LONGEST_SIDE)
        except PermanentError as error:
            log.warning("capture-not-shown", document_uid=file.uid, error=str(error))
            raise HTTPException(410) from None
        return _png(png)

    def score_map(self, request: Request, uid: str, instance: str, label: str, full: bool = False) -> Response:
        """Show a finding's score map over its image, and note who looked."""
        with self.database.reading() as read:
            analysis = worklist.standing_analysis(read, words.printable(uid))
        found = maps.find(analysis, instance, label)
        if found is None:
            raise HTTPException(404)
        self._note_view(request, uid, {"what": "score map", "instance_uid": instance, "finding": label})
        try:
            with pictures.drawing:
                png = maps.draw(self.settings, found, shown_side=None if full else pictures.LONGEST_SIDE)
        except (PermanentError, OSError) as error:
            log.warning("score-map-not-shown", instance_uid=instance, error=type(error).__name__)
            raise HTTPException(410) from None
        return _png(png)

    def audit_log(self, request: Request, study: Word = "", before: int = 0, verify: bool = False) -> HTMLResponse:
        """Show the newest lines of the audit log, on demand with the check of all of it; note who read."""
        uid = words.printable(study)
        limit = min(before, _HIGHEST_LINE) if before > 0 else None
        with self.database.reading() as read:
            lines = audit.last_lines(read, AUDIT_LINES, study_uid=uid or None, before=limit)
        verdict, busy = self._verify() if verify else (None, False)
        known = bool(lines) and uid
        with self.database.transaction() as tx:
            detail: audit.Detail = {"how": "console", "lines": len(lines), "verified": verdict is not None}
            audit.append(tx, AuditEventType.AUDIT_READ, study_uid=uid if known else None, detail=detail | _who(request))
        return self.show(
            request, "audit.html", lines=lines[::-1], study_uid=uid, verdict=verdict, busy=busy, before=limit,
            full=len(lines) == AUDIT_LINES,
        )  # fmt: skip

    def destinations(self, request: Request) -> HTMLResponse:
        """Show what waits for each destination, and why."""
        with self.database.reading() as read:
            known = {summary.name: summary for summary in queries.destinations(read)}
            taken = taken_classes(read)
            errors = worklist.last_errors(read)
            stopped = worklist.stopped_deliveries(read)
            depth = queue.depth(read)
            now = to_datetime(read.scalar(select(now_ms())) or 0)
        configured = {entry.name: entry for entry in self.settings.destinations}
        return self.show(
            request, "destinations.html", known=known, configured=configured, names=sorted({*known, *configured}),
            errors=errors, stopped=stopped, depth=depth, now=now,
            reports={entry.name: report_words(entry, taken) for entry in self.settings.destinations},
        )  # fmt: skip

    def refusals(self, request: Request) -> HTMLResponse:
        """Show what the receiver refused, and the setting that would change it."""
        with self.database.reading() as read:
            entries = refusals.latest(read, limit=REFUSALS)
        return self.show(request, "refusals.html", entries=entries, most=REFUSALS)

    def analyse(self, request: Request) -> HTMLResponse:
        """Show the form that takes files."""
        return self._show_answers(request)

    async def answer(self, request: Request) -> Response:
        """Answer the files of a form on the page that sent it, and note who asked."""
        address = address_of(request.scope)
        try:
            with self._answers.admitted():
                files = await read_files(request, self.settings.console)
                answers = await run_in_threadpool(self._answer, request, files)
        except Busy:
            refusal_log.add("as many forms as can wait for the model", address)
            problem = "Others are waiting for the model: try again in some seconds."
            page = self._show_answers(request, 503, problem=problem)
            page.headers["Retry-After"] = str(_RETRY_SECONDS)
            return page
        except UploadRefused as refused:
            refusal_log.add(str(refused), address)
            return self._show_answers(request, refused.status, problem=str(refused))
        except CxrnodeError as error:
            log.error("model-not-opened", error=str(error))
            problem = f"The model cannot be asked: {error}. The command `cxrnode doctor` says more."
            return self._show_answers(request, 503, problem=problem)
        except ClientDisconnect:
            refusal_log.add("a form that ended before its files", address)
            return Response(status_code=400)  # nobody is there to read it
        finally:
            await request.close()  # and with it the temporary files
        return self._show_answers(request, answers=answers)

    def _answer(self, request: Request, files: list[SentFile]) -> list[ImageAnswer]:
        answers = [self._answer_file(file) for file in files]
        analysed = sum(answer.because is None for answer in answers)
        with self.database.transaction() as tx:
            detail: audit.Detail = {"files": len(answers), "analysed": analysed, "refused": len(answers) - analysed}
            audit.append(tx, AuditEventType.FILES_ANALYSED, detail=detail | _who(request))
        return answers

    def _answer_file(self, sent: SentFile) -> ImageAnswer:
        if sent.size > self.settings.console.upload_bytes:
            return self._answers.too_large(sent.name)
        return self._answers.answer(sent.name, sent.file.file.read())

    def _show_answers(
        self, request: Request, code: int = 200, *, answers: Sequence[ImageAnswer] = (), problem: str = ""
    ) -> HTMLResponse:
        console = self.settings.console
        return self.show(
            request, "analyse.html", code, answers=answers, problem=problem, model=self._answers.model,
            most_files=console.upload_files, most_bytes=console.upload_bytes,
        )  # fmt: skip

    def health(self) -> JSONResponse:
        """Say whether pages can be served: 200, or 503 when the database cannot be reached."""
        try:
            with self.database.reading() as read:
                read.execute(select(1))
        except SQLAlchemyError:
            return JSONResponse({"status": "unavailable", "database": "unreachable"}, 503)
        return JSONResponse({"status": "ok", "database": "reachable"})

    def _verify(self) -> tuple[audit.Verdict | None, bool]:
        """Walk the log, one walk at a time: it reads all of it."""
        if not self._verifying.acquire(blocking=False):
            return None, True
        try:
            with self.database.reading() as read:
                return audit.verify(read), False
        finally:
            self._verifying.release()

    def _note_view(self, request: Request, uid: str, detail: audit.Detail) -> None:
        """Write who looks before anything is shown; a study that is not on record leaves no line."""
        if uid != words.printable(uid):
            raise HTTPException(404)
        with self.database.transaction() as tx:
            try:
                load_study(tx, uid)
            except LookupError:
                raise HTTPException(404) from None
            audit.append(tx, AuditEventType.STUDY_VIEWED, study_uid=uid, detail=detail | _who(request))


def make_app(settings: Settings, database: Database, login: Login | None) -> Gate:
    """Return the application: pages behind the gate, no schema and no documentation pages of the framework."""
    pages = Pages(settings, database)
    app = FastAPI(title="cxrnode", docs_url=None, redoc_url=None, openapi_url=None, telemetry=_NO_TELEMETRY)
    reading: dict[str, Any] = {"methods": ["GET", "HEAD"], "response_model": None}
    html = {**reading, "response_class": HTMLResponse}
    app.api_route("/", **html)(pages.worklist)
    app.api_route("/study/{uid}", **html)(pages.study)
    app.api_route("/study/{uid}/captures/{document}.png", **reading)(pages.capture)
    app.api_route("/study/{uid}/maps/{instance}/{label}.png", **reading)(pages.score_map)
    app.api_route("/audit", **html)(pages.audit_log)
    app.api_route("/destinations", **html)(pages.destinations)
    app.api_route("/refusals", **html)(pages.refusals)
    if settings.console.analyse:
        app.api_route("/analyse", **html)(pages.analyse)
        app.api_route("/analyse", **html | {"methods": ["POST"]})(pages.answer)
    app.api_route("/health", **reading)(pages.health)
    app.api_route("/static/{name}", **reading)(_file)

    def refused(request: Request, error: Exception) -> HTMLResponse:
        status = error.status_code if isinstance(error, HTTPException) else 404
        refusal_log.add(f"answered {status}", address_of(request.scope))
        return pages.show(request, "error.html", status, kind=_kind(status))

    def unreachable(request: Request, error: Exception) -> HTMLResponse:
        log.error("console-database-failed", error=type(error).__name__)
        return pages.show(request, "error.html", 503, kind="database")

    def broken(request: Request, error: Exception) -> HTMLResponse:
        log.error("console-page-failed", error=type(error).__name__)
        return pages.show(request, "error.html", 500, kind="broken")

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(DBAPIError, unreachable)
    app.add_exception_handler(Exception, broken)
    return Gate(app, login)


def _file(name: str) -> FileResponse:
    """Return one of the few files that the pages use, chosen by name from a list."""
    if name not in _FILES:
        raise HTTPException(404)
    return FileResponse(_STATIC / name, media_type=_FILES[name])


def _kind(status: int) -> str:
    return {404: "missing", 410: "gone"}.get(status, "refused")


def _who(request: Request) -> audit.Detail:
    return {"user": str(request.state.user), "address": address_of(request.scope)}


def _png(content: bytes) -> StreamingResponse:
    return StreamingResponse(_chunks(content), media_type="image/png", headers={"Content-Length": str(len(content))})


def _chunks(content: bytes) -> Iterator[bytes]:
    stream = io.BytesIO(content)
    while chunk := stream.read(_CHUNK):
        yield chunk

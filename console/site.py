"""What every page has at hand: the settings, the database, the templates, and who asks."""

import io
from collections.abc import Iterator
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from config.certificates import expiries
from config.language.translation import marked
from config.settings import InferenceSettings, Settings
from console import words
from console.access import roles
from console.access.headers import WITHOUT_SCRIPT
from console.access.openid.provider import Provider
from console.access.sessions import Sessions
from console.access.visitor import address_of
from console.answers import Answers
from console.live.bell import bell_lines
from console.live.reader import LiveReader
from console.page_templates import page_templates
from console.problems import DETAILS, is_for_programs, problem
from console.uploading import Uploads
from inference.installed import with_points_in_force
from inference.site_points import Points, points_in_force
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.lists.attention import COUNTED_UP_TO
from tracking.people.users import Actor, Identity
from tracking.results.analyses import load_study

READ: dict[str, Any] = {"methods": ["GET", "HEAD"], "response_model": None}
"""How a route is registered that only reads."""
READ_PAGE: dict[str, Any] = {**READ, "response_class": HTMLResponse}
POST_PAGE: dict[str, Any] = {**READ_PAGE, "methods": ["POST"]}
_CHUNK = 64 * 1024
_PAGES = (
    ("/", marked("Worklist")), ("/analyse", marked("Analyse")), ("/flow", marked("Flow")), ("/plots", marked("Plots")),
    ("/destinations", marked("Destinations")), ("/models", marked("Models")), ("/refusals", marked("Refusals")),
    ("/audit", marked("Audit log")), ("/users", marked("Users")),
)  # fmt: skip


class Site:
    """Settings, database, sessions and templates, for the pages of one console."""

    is_serving = False
    """A server answers, whose visitors wait: what takes its time is prepared for them."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.destination_names = {entry.name for entry in settings.destinations}
        self.sessions = Sessions(settings.console, database)
        self.answers = Answers(settings, self._points)
        self.openid = Provider(settings.console.openid) if settings.console.openid is not None else None
        self.uploads = Uploads(settings, database, self.answers)
        self._templates = page_templates()
        pages = [page for page in _PAGES if page[0] != "/analyse" or settings.console.analyse]
        self._on_every_page = {"node": settings.node.ae_title, "pages": pages}
        self.live = LiveReader(database, self.render, self.sessions.limits, self._expiring)

    def _expiring(self) -> int:
        return sum(entry.is_due for entry in expiries(self.settings))

    def _points(self, package: str) -> Points:
        with self.database.reading() as read:
            return points_in_force(read, package)

    def inference(self) -> InferenceSettings:
        """Return the settings of the models with the operating points that hold now: those of the database."""
        return with_points_in_force(self.settings.inference, self.database)

    def render(self, template: str, **values: Any) -> str:
        """Return a part of a page that is the same for everybody; every value is escaped."""
        return self._templates.get_template(template).render(**values)

    def show(self, request: Request, template: str, code: int = 200, **values: Any) -> HTMLResponse:
        """Return a page; every value is escaped."""
        identity: Identity | None = getattr(request.state, "identity", None)
        live = identity is not None and not identity.must_change and request.url.path not in WITHOUT_SCRIPT
        bell = bell_lines(self.live.attention(read=code < 400), identity.role) if live and identity else ()
        page = self._templates.get_template(template).render(
            identity=identity, csrf=getattr(request.state, "csrf", ""), place=request.url.path,
            may=partial(roles.may_see, identity.role if identity is not None else None),
            live=live, bell_lines=bell, bell_most=COUNTED_UP_TO, **self._on_every_page, **values,
        )  # fmt: skip
        return HTMLResponse(page, code)

    def show_refusal(self, request: Request, kind: str, code: int) -> Response:
        """Return the page, or the problem details, for who does not get what was asked for; ``kind`` says why."""
        if is_for_programs(request.scope["path"]):
            return problem(code, DETAILS[kind])
        return self.show(request, "error.html", code, kind=kind)

    def note_view(self, request: Request, uid: str, detail: audit.Detail) -> None:
        """Write who looks before anything is shown; a study that is not on record leaves no line and answers 404."""
        if uid != words.printable(uid):
            raise HTTPException(404)
        with self.database.transaction() as tx:
            try:
                load_study(tx, uid)
            except LookupError:
                raise HTTPException(404) from None
            audit.append(tx, AuditEventType.STUDY_VIEWED, study_uid=uid, detail=detail | visitor(request))


def visitor(request: Request) -> audit.Detail:
    """Return who asks, for the audit log."""
    detail: audit.Detail = {"user": request.state.identity.name, "address": address_of(request.scope)}
    if request.state.token:
        detail["token"] = request.state.token
    return detail


def actor_of(request: Request) -> Actor:
    """Return who asks, for what they change."""
    return Actor(request.state.identity.name, address_of(request.scope), request.state.token)


def png_response(content: bytes) -> StreamingResponse:
    """Return an image as an answer."""
    return StreamingResponse(_chunks(content), media_type="image/png", headers={"Content-Length": str(len(content))})


def _chunks(content: bytes) -> Iterator[bytes]:
    stream = io.BytesIO(content)
    while chunk := stream.read(_CHUNK):
        yield chunk

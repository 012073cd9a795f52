"""A study: all that is on record about it, its captures and its score maps. Who looks is noted before it is shown."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from config.errors import PermanentError
from config.logs import get_logger
from config.settings import Settings
from console import maps, pictures, radiographs, words
from console.pages.answer import study_answers
from console.prior import prior_beside
from console.site import READ, READ_PAGE, Site, png_response
from reporting.stored_places import stored_places
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.lists import study_page
from tracking.outbox.documents import carried_captures
from tracking.outbox.left_behind import left_behind
from tracking.outbox.sendings import sent_documents
from tracking.results.analyses import StoredAnalysis

log = get_logger(__name__)
AUDIT_LINES = 100
VIEWS = 20
_VIEWS = frozenset({AuditEventType.STUDY_VIEWED, AuditEventType.AUDIT_READ})


def routes(site: Site) -> APIRouter:
    """Return the routes of a study and of its images."""
    pages = StudyPages(site)
    router = APIRouter(prefix="/study/{uid}")
    router.api_route("", **READ_PAGE)(pages.study)
    router.api_route("/captures/{document}.png", **READ)(pages.capture)
    router.api_route("/maps/{instance}/{label}.png", **READ)(pages.score_map)
    router.api_route("/images/{instance}.png", **READ)(pages.radiograph)
    router.api_route("/images/{instance}/maps/{label}.png", **READ)(pages.map_layer)
    return router


class StudyPages:
    """What is shown of one study."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def study(self, request: Request, uid: str) -> HTMLResponse:
        """Show one study with all that is on record about it."""
        self._site.note_view(request, uid, {"what": "study"})
        with self._site.database.reading() as read:
            study = study_page.study_page(read, uid)
            behind = left_behind(read, uid)
            documents = sent_documents(read, uid)
            standing = study_page.standing_analysis(read, uid)
            carried = carried_captures(read, standing.id) if standing is not None else {}
            history = audit.last_lines(read, AUDIT_LINES, study_uid=uid, without=_VIEWS)
            views = audit.last_lines(read, VIEWS, study_uid=uid, types=_VIEWS)
        if study is None:
            raise HTTPException(404)
        prior = prior_beside(self._site, request, study)
        return self._site.show(
            request, "study.html", study=study, maps=maps.by_capture(standing, carried),
            radiographs=radiographs.radiographs_of(self._site.settings, standing), history=history, behind=behind,
            views=views[::-1], most=AUDIT_LINES, documents=documents, prior=prior,
            answers=study_answers(self._site, request, uid, standing, study.images),
            places=_places(self._site.settings, standing), upload_days=self._site.settings.console.upload_days,
        )  # fmt: skip

    def capture(self, request: Request, uid: str, document: str, full: bool = False) -> Response:
        """Show a secondary capture; the database alone says which file it is."""
        with self._site.database.reading() as read:
            file = study_page.find_document(read, words.printable(uid), words.printable(document))
        if file is None:
            raise HTTPException(404)
        self._site.note_view(request, uid, {"what": "capture", "document_uid": file.uid})
        try:
            folder = self._site.settings.document_dir
            png = pictures.draw(folder, file, longest_side=None if full else pictures.LONGEST_SIDE)
        except PermanentError as error:
            log.warning("capture-not-shown", document_uid=file.uid, error=str(error))
            raise HTTPException(410) from None
        return png_response(png)

    def score_map(self, request: Request, uid: str, instance: str, label: str, full: bool = False) -> Response:
        """Show a finding's score map over its image."""
        with self._site.database.reading() as read:
            analysis = study_page.standing_analysis(read, words.printable(uid))
        mapped = maps.find(analysis, instance, label)
        if mapped is None:
            raise HTTPException(404)
        self._site.note_view(request, uid, {"what": "score map", "instance_uid": instance, "finding": label})
        try:
            with pictures.drawing:
                png = maps.draw(self._site.settings, mapped, shown_side=None if full else pictures.LONGEST_SIDE)
        except (PermanentError, OSError) as error:
            log.warning("score-map-not-shown", instance_uid=instance, error=type(error).__name__)
            raise HTTPException(410) from None
        return png_response(png)

    def radiograph(self, request: Request, uid: str, instance: str) -> Response:
        """Show an image of the study itself, as a reader is meant to see it."""
        with self._site.database.reading() as read:
            analysis = study_page.standing_analysis(read, words.printable(uid))
        stored = {image.instance_uid: image for image in analysis.instances} if analysis is not None else {}
        if instance not in stored:
            raise HTTPException(404)
        self._site.note_view(request, uid, {"what": "image", "instance_uid": instance})
        try:
            with pictures.drawing:
                png = radiographs.draw(self._site.settings, stored[instance].path)
        except (PermanentError, OSError) as error:
            log.warning("image-not-shown", instance_uid=instance, error=type(error).__name__)
            raise HTTPException(410) from None
        return png_response(png)

    def map_layer(self, request: Request, uid: str, instance: str, label: str) -> Response:
        """Show a finding's score map alone, to lie over its image."""
        with self._site.database.reading() as read:
            mapped = maps.find(study_page.standing_analysis(read, words.printable(uid)), instance, label)
        if mapped is None:
            raise HTTPException(404)
        self._site.note_view(request, uid, {"what": "score map", "instance_uid": instance, "finding": label})
        return png_response(radiographs.draw_map(mapped.entry.finding))


def _places(settings: Settings, analysis: StoredAnalysis | None) -> dict[str, dict[str, str]]:
    """Return by image where the regions of its findings lie."""
    if analysis is None:
        return {}
    paths = {instance.instance_uid: settings.instance_dir / instance.path for instance in analysis.instances}
    return {
        outcome.instance_uid: stored_places(paths[outcome.instance_uid], outcome)
        for outcome in analysis.outcomes
        if outcome.findings and outcome.instance_uid in paths
    }

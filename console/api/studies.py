"""Studies and their documents."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from config.errors import PermanentError
from config.logs import get_logger
from console import stored_files, words
from console.api.models import study_models
from console.api.prefix import PREFIX
from console.site import Site, visitor
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType, Line
from tracking.engine.clock import to_datetime
from tracking.lists import study_page, worklist
from tracking.lists.study_condition import COUNTED_UP_TO, Key
from tracking.lists.study_filter import STATUSES, Need, Order, StudyFilter
from tracking.lists.study_page import AnalysisDetail
from tracking.lists.worklist import WorklistRow
from tracking.outbox import sendings, stored_documents
from tracking.outbox.stored_documents import StoredDocument

log = get_logger(__name__)
MOST_ROWS = 200
HISTORY_LINES = 100
_LOOKS = frozenset({AuditEventType.STUDY_VIEWED, AuditEventType.AUDIT_READ})
_CURSOR = r"^[0-9]{0,18}~[A-Za-z0-9._-]{1,64}$"

_STATUS = f"^({'|'.join(STATUSES)})?$"

Word = Annotated[str, Query(max_length=128)]
Day = date | None
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
Cursor = Annotated[str | None, Query(pattern=_CURSOR, description="As `older` or `newer` of an answer gave it.")]
Uid = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Status = Annotated[str, Query(json_schema_extra={"enum": [*STATUSES, ""]}, pattern=_STATUS)]


def routes(site: Site) -> APIRouter:
    """Return the routes of studies and documents."""
    pages = Studies(site)
    router = APIRouter(prefix=PREFIX, tags=["studies"])
    router.get("/studies", response_model=study_models.StudyList)(pages.every)
    router.get("/studies/{uid}", response_model=study_models.Study)(pages.study)
    router.get("/studies/{uid}/documents", response_model=study_models.DocumentList)(pages.documents)
    router.get("/documents/{uid}", response_model=study_models.DocumentWithDeliveries)(pages.document)
    router.get("/documents/{uid}/content", response_class=Response, responses=_CONTENT)(pages.content)
    return router


_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The document as it was built, to the byte.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in stored_files.MEDIA_TYPES},
    }
}


class Studies:
    """What is answered about studies; who looks is noted first."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def every(
        self, request: Request, q: Word = "", patient: Word = "", accession: Word = "", status: Status = "",
        finding: Word = "", caller: Word = "", urgent: bool = False, first: Day = None, last: Day = None,
        needs: Need | None = None, order: Order = Order.ARRIVAL, after: Cursor = None, before: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 25,
    ) -> study_models.StudyList:  # fmt: skip
        """List studies, the newest first, with the filters of the worklist; `after` and `before` turn pages."""
        which = StudyFilter(
            search=words.printable(q), patient=words.printable(patient), accession=words.printable(accession),
            status=status, finding=words.printable(finding), calling_ae=words.printable(caller), urgent=urgent,
            first=_within(first), last=_within(last), needs=needs,
        )  # fmt: skip
        with self._site.database.reading() as read:
            found = worklist.find_studies(
                read, which, order=order, after=_key(after, order), before=_key(before, order), limit=limit
            )
        self._note_list(request, "studies", len(found.rows))
        return study_models.StudyList(
            studies=tuple(map(_listed, found.rows)),
            total=min(found.total, COUNTED_UP_TO),
            total_is_exact=found.total <= COUNTED_UP_TO,
            older=_cursor(found.older),
            newer=_cursor(found.newer),
        )

    def study(self, request: Request, uid: Uid) -> study_models.Study:
        """Return a study with its images, analyses, findings, documents, deliveries and history."""
        self._site.note_view(request, uid, {"what": "study", "how": "api"})
        with self._site.database.reading() as read:
            study = study_page.study_page(read, uid)
            documents = stored_documents.documents_of(read, uid)
            history = audit.last_lines(read, HISTORY_LINES, study_uid=uid, without=_LOOKS)
        if study is None:
            raise HTTPException(404)
        summary = study.summary
        return study_models.Study(
            header=study_models.StudyHeader.model_validate(study.header), status=summary.status,
            revision=summary.revision, received_at=summary.received_at, conflicts=summary.conflicts,
            rejected=summary.rejected, problems=summary.problems,
            not_analysed=tuple(map(study_models.NotAnalysed.model_validate, summary.not_analysed)),
            remarks=tuple(map(study_models.Remark.model_validate, summary.remarks)),
            images=tuple(map(study_models.Image.model_validate, study.images)),
            analyses=tuple(map(_analysis, study.analyses)),
            documents=tuple(study_models.Document(**_document(entry)) for entry in documents),
            deliveries=tuple(map(study_models.Delivery.model_validate, summary.deliveries)),
            history=history_lines(history),
            kind=summary.kind, uploaded_by=study.upload and study.upload.owner,
        )  # fmt: skip

    def documents(self, request: Request, uid: Uid) -> study_models.DocumentList:
        """List the documents of a study, also those of earlier analyses."""
        self._site.note_view(request, uid, {"what": "documents", "how": "api"})
        with self._site.database.reading() as read:
            documents = stored_documents.documents_of(read, uid)
        return study_models.DocumentList(
            documents=tuple(study_models.Document(**_document(entry)) for entry in documents)
        )

    def document(self, request: Request, uid: Uid) -> study_models.DocumentWithDeliveries:
        """Return what a document is, and where it went."""
        document = self._find(request, uid)
        with self._site.database.reading() as read:
            deliveries = sendings.deliveries_of(read, uid)
        return study_models.DocumentWithDeliveries(
            **_document(document), deliveries=tuple(map(study_models.Delivery.model_validate, deliveries))
        )

    def content(self, request: Request, uid: Uid) -> Response:
        """Return the bytes of a document; of one that is quarantined, or a note not sent yet, there are none."""
        document = self._find(request, uid)
        if document.quarantined is not None:
            raise HTTPException(409, "The document failed its own check and is quarantined; its metadata say why.")
        if not document.file.path:
            raise HTTPException(409, stored_files.UNBUILT)
        try:
            content = stored_files.read_stored(self._site.settings.document_dir, document.file)
        except PermanentError as error:
            log.warning("document-not-shown", document_uid=uid, error=str(error))
            raise HTTPException(410, "Its file cannot be read or was altered: restore it from the backup.") from None
        headers = stored_files.attachment(document.kind, document.uid)
        return Response(content, 200, headers, stored_files.media_type(document.kind))

    def _find(self, request: Request, uid: str) -> StoredDocument:
        with self._site.database.reading() as read:
            document = stored_documents.find_document(read, uid)
        if document is None:
            raise HTTPException(404)
        self._site.note_view(request, document.study_uid, {"what": "document", "how": "api", "document_uid": uid})
        return document

    def _note_list(self, request: Request, what: str, rows: int) -> None:
        with self._site.database.transaction() as tx:
            detail: audit.Detail = {"what": what, "how": "api", "rows": rows}
            audit.append(tx, AuditEventType.STUDIES_LISTED, detail=detail | visitor(request))


def history_lines(lines: Sequence[Line]) -> tuple[study_models.HistoryLine, ...]:
    """Return lines of the audit log as they are answered."""
    return tuple(
        study_models.HistoryLine(
            seq=line.seq, at=to_datetime(line.at), type=line.type, outcome=line.outcome, service=line.service,
            study_uid=line.study_uid, detail=line.detail, hash=line.hash,
        )
        for line in lines
    )  # fmt: skip


def _listed(row: WorklistRow) -> study_models.ListedStudy:
    return study_models.ListedStudy(
        header=study_models.StudyHeader.model_validate(row.header), status=row.status, received_at=row.received_at,
        urgent=row.urgent, calling_ae=row.calling_ae, model=row.model, images=row.images, rejected=row.rejected,
        deliveries=row.deliveries, delivered=row.delivered, retrying=row.retrying,
        findings=tuple(map(study_models.Finding.model_validate, row.shown.findings)),
        not_analysed=tuple(entry.because for entry in row.shown.not_analysed), problems=row.shown.problems,
        kind="received" if row.uploaded_by is None else "upload", uploaded_by=row.uploaded_by,
    )  # fmt: skip


def _analysis(analysis: AnalysisDetail) -> study_models.Analysis:
    images = dict.fromkeys(finding.instance_uid for finding in analysis.findings)
    claims = [claim for uid in images for claim in words.image_claims(analysis.findings, uid)]
    return study_models.Analysis(
        id=analysis.id, revision=analysis.revision, model=analysis.model, digest=analysis.digest,
        engine=analysis.engine, seconds=analysis.seconds, completed_at=analysis.completed_at,
        documents=analysis.documents, void=analysis.void,
        findings=tuple(
            study_models.ClaimedFinding(
                **study_models.Finding.model_validate(entry.finding).model_dump(), claim=entry.claim.value,
                detail=entry.finding.detail,
            )
            for entry in claims
        ),
    )  # fmt: skip


def _document(document: StoredDocument) -> dict[str, Any]:
    names = ("uid", "kind", "study_uid", "analysis_id", "revision", "series_uid", "sop_class_uid", "quarantined")
    values = {name: getattr(document, name) for name in (*names, "built_at", "stands")}
    file = document.file
    return {**values, "size": file.size, "sha256": file.sha256, "media_type": stored_files.media_type(document.kind)}


def _key(cursor: str | None, order: Order) -> Key | None:
    """Read where a page begins."""
    if cursor is None:
        return None
    at, _, uid = cursor.partition("~")
    if order is Order.STUDY_DATE:
        return at[:8], uid
    return int(at or 0), uid


def _within(day: date | None) -> date | None:
    """Return a day as a moment can be told from it; before and after these days there are no studies."""
    return None if day is None else min(max(day, _FIRST_DAY), _LAST_DAY)


def _cursor(key: Key | None) -> str | None:
    return None if key is None else f"{key[0]}~{key[1]}"

"""The documents of a study: as text, and as files to take away. Who reads is noted before anything is shown."""

import re
from collections.abc import Collection

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from config.errors import PermanentError
from config.logs import get_logger
from console import words
from console.site import READ, READ_PAGE, Site
from console.stored_files import UNBUILT, attachment, media_type, read_stored
from reporting.fhir.bundle_text import bundle_text
from reporting.hl7.message_text import message_text
from reporting.sr.report_text import report_text
from tracking.lists import study_page
from tracking.lists.study_page import StoredFile
from tracking.outbox.document_kinds import BUNDLES, IMAGES, KINDS, MESSAGES, TREES

log = get_logger(__name__)
_READERS = {**dict.fromkeys(TREES, report_text), **dict.fromkeys(BUNDLES, bundle_text)}
"""What makes a tree of a document, by kind."""


def routes(site: Site) -> APIRouter:
    """Return the routes of a study's documents."""
    pages = DocumentPages(site)
    router = APIRouter(prefix="/study/{uid}")
    router.api_route("/documents/{document}", **READ_PAGE)(pages.text)
    router.api_route("/documents/{document}/file", **READ)(pages.download)
    router.api_route("/captures/{document}.dcm", **READ)(pages.download_capture)
    return router


class DocumentPages:
    """What is shown and handed out of the documents of a study."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def text(self, request: Request, uid: str, document: str) -> Response:
        """Show a document as text, a capture as the image that it is."""
        file, content = self._read(request, uid, document, KINDS, "document")
        try:
            read = _READERS.get(file.kind)
            report = None if read is None else read(content)
            segments = message_text(content) if file.kind in MESSAGES else None
        except PermanentError as error:
            log.warning("document-not-shown", document_uid=file.uid, error=str(error))
            raise HTTPException(410) from None
        return self._site.show(request, "document.html", study_uid=uid, file=file, report=report, segments=segments)

    def download(self, request: Request, uid: str, document: str) -> Response:
        """Hand out a document as it was built."""
        return _attachment(*self._read(request, uid, document, KINDS, "download"))

    def download_capture(self, request: Request, uid: str, document: str) -> Response:
        """Hand out a secondary capture as it was built."""
        return _attachment(*self._read(request, uid, document, IMAGES, "download"))

    def _read(
        self, request: Request, uid: str, document: str, kinds: Collection[str], what: str
    ) -> tuple[StoredFile, bytes]:
        with self._site.database.reading() as read:
            file = study_page.find_document(read, words.printable(uid), words.printable(document), kinds)
        if file is None:
            raise HTTPException(404)
        if not file.path:
            raise HTTPException(409, UNBUILT)
        self._site.note_view(request, uid, {"what": what, "kind": file.kind, "document_uid": file.uid})
        try:
            return file, read_stored(self._site.settings.document_dir, file)
        except PermanentError as error:
            log.warning("document-not-shown", document_uid=file.uid, error=str(error))
            raise HTTPException(410) from None


def _attachment(file: StoredFile, content: bytes) -> Response:
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{file.kind}-{file.uid}")
    return Response(content, media_type=media_type(file.kind), headers=attachment(file.kind, name))

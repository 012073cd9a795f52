"""STOW-RS (PS3.18 10.5): instances are taken by the reception that takes those of a C-STORE."""

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from config.errors import StorageFull
from config.logs import get_logger
from console.access.visitor import address_of
from console.dicomweb import json_model
from console.dicomweb.address import PREFIX, Uid, instance_address, study_address
from console.dicomweb.json_model import element
from console.dicomweb.parts import BrokenParts, PartReader, TooManyParts, boundary_of
from console.problems import problem
from console.site import Site, visitor
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType

if TYPE_CHECKING:
    from dicom_node.storage_scp.deposit import Batch, Deposit, Deposited, Depository

log = get_logger(__name__)
DICOM = "application/dicom"
MOST_AT_ONCE = 4
_RETRY_SECONDS = 30


def routes(site: Site) -> APIRouter:
    """Return the routes that store."""
    pages = Storing(site)
    router = APIRouter(prefix=PREFIX)
    router.api_route("/studies", methods=["POST"], response_model=None)(pages.store)
    router.api_route("/studies/{study}", methods=["POST"], response_model=None)(pages.store_in_study)
    return router


class Storing:
    """What is stored; the request and its user are noted for each study."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._opening = threading.Lock()

    @cached_property
    def _depository(self) -> "Depository":
        from dicom_node.storage_scp.deposit import Depository  # which tries every decoder

        return Depository(self._site.settings, self._site.database)

    async def store(self, request: Request) -> Response:
        """Store instances of any studies."""
        return await self._store(request, None)

    async def store_in_study(self, request: Request, study: Uid) -> Response:
        """Store instances of one study; those of another are refused."""
        return await self._store(request, study)

    async def _store(self, request: Request, study: str | None) -> Response:
        boundary = boundary_of(request.headers.get("content-type", ""), DICOM)
        if boundary is None:
            raise HTTPException(415, f'Instances are taken as multipart/related; type="{DICOM}" with a boundary.')
        if not self._places.acquire(blocking=False):
            headers = {"Retry-After": str(_RETRY_SECONDS)}
            raise HTTPException(503, "Others are storing: try again in half a minute.", headers)
        try:
            return await self._take(request, study, boundary)
        finally:
            self._places.release()

    async def _take(self, request: Request, study: str | None, boundary: str) -> Response:
        try:
            batch = await run_in_threadpool(self._begin, request, study)
        except StorageFull as error:
            log.error("instances-not-taken", error=str(error))
            raise HTTPException(503, "The disk is full or failing: try again later.") from None
        parts = _Parts(batch, self._site.settings.console.store_instances)
        broken = 0
        try:
            reader = PartReader(boundary, parts)
            async for piece in request.stream():
                await run_in_threadpool(reader.feed, piece)
            reader.close()
        except (BrokenParts, ClientDisconnect):
            broken = 400
        except TooManyParts:
            broken = 413
        finally:
            await run_in_threadpool(self._end, request, batch, parts)
        if broken or not parts.results:
            return _broken(broken or 400, parts, self._site.settings.console.store_instances)
        return _answer(study, parts.results)

    def _begin(self, request: Request, study: str | None) -> "Batch":
        with self._opening:
            depository = self._depository
        return depository.batch(address_of(request.scope), study)

    def _end(self, request: Request, batch: "Batch", parts: "_Parts") -> None:
        parts.abandon()
        batch.release()
        stored: dict[str | None, int] = {}
        for result in parts.results:
            study = result.study_uid if result.is_stored else None
            stored[study] = stored.get(study, 0) + 1
        with self._site.database.transaction() as tx:
            for study, count in stored.items():
                what = "instances" if study is not None else "refused"
                detail: audit.Detail = {"how": "dicomweb", what: count}
                outcome = "success" if study is not None else "minor-failure"
                audit.append(
                    tx, AuditEventType.INSTANCES_STORED, outcome=outcome, study_uid=study,
                    detail=detail | visitor(request),
                )  # fmt: skip


class _Parts:
    """Takes the parts of one request, and keeps what came of each."""

    def __init__(self, batch: "Batch", most: int) -> None:
        self.results: list[Deposited] = []
        self._batch = batch
        self._most = most
        self._deposit: Deposit | None = None

    def begin(self, content_type: str) -> None:
        if len(self.results) >= self._most:
            raise TooManyParts
        if content_type not in {DICOM, ""}:
            raise BrokenParts
        self._deposit = self._batch.begin()

    def write(self, data: memoryview) -> None:
        if self._deposit is not None:
            self._deposit.write(data)

    def end(self) -> None:
        if self._deposit is not None:
            deposit, self._deposit = self._deposit, None
            self.results.append(deposit.finish())

    def abandon(self) -> None:
        """Forget a part that has not ended."""
        if self._deposit is not None:
            self._deposit.abandon()


def _broken(status: int, parts: _Parts, most: int) -> Response:
    stored = sum(result.is_stored for result in parts.results)
    what = f"has more than {most} parts" if status == 413 else f"is no whole multipart body of {DICOM}"
    return problem(status, f"The request {what}. {stored} of its instances were stored before.")


def _answer(study: str | None, results: "Sequence[Deposited]") -> Response:
    """Return the Store Instances Response (PS3.18 10.5.3)."""
    said = Dataset()
    studies = {result.study_uid for result in results if result.is_stored}
    only = study or (studies.pop() if len(studies) == 1 else None)
    if only is not None:
        said.add(element("RetrieveURL", "UR", study_address(only)))
    stored = [_reference(result) for result in results if result.is_stored]
    failed = [_reference(result) for result in results if not result.is_stored and result.instance_uid]
    others = [_reference(result) for result in results if not result.is_stored and not result.instance_uid]
    for keyword, items in (
        ("ReferencedSOPSequence", stored), ("FailedSOPSequence", failed), ("OtherFailuresSequence", others),
    ):  # fmt: skip
        if items:
            said.add(element(keyword, "SQ", Items(items)))
    status = 200 if not (failed or others) else 202 if stored else 409
    headers = {}
    if not stored and all(result.is_out_of_space for result in results):
        status, headers = 503, {"Retry-After": str(_RETRY_SECONDS)}
    return Response(json_model.encode(said), status, headers, json_model.MEDIA_TYPE)


def _reference(result: "Deposited") -> Dataset:
    item = Dataset()
    if result.instance_uid:
        item.add(element("ReferencedSOPClassUID", "UI", result.sop_class_uid))
        item.add(element("ReferencedSOPInstanceUID", "UI", result.instance_uid))
    if result.is_stored:
        address = instance_address(result.study_uid, result.series_uid, result.instance_uid)
        item.add(element("RetrieveURL", "UR", address))
    else:
        item.add(element("FailureReason", "US", result.answer.status))
    return item

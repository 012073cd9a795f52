"""WADO-RS (PS3.18 10.4): instances as they are stored, metadata, bulk data, frames, and rendered images."""

import io
import re
from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from PIL import Image
from starlette.exceptions import HTTPException

from config.errors import PermanentError
from config.logs import get_logger
from console import pictures, radiographs
from console.dicomweb import json_model
from console.dicomweb.accept import ANYTHING, accepted, choose, matches
from console.dicomweb.address import PREFIX, Uid, instance_address
from console.dicomweb.frames import OCTETS, choose_form, read_frame
from console.dicomweb.held import Held
from console.dicomweb.multipart import Part, multipart_response
from console.site import READ, Site
from tracking.lists.holdings import HeldInstance

log = get_logger(__name__)
DICOM = "application/dicom"
_MOST_FRAMES = 64
_LONGEST_SIDE = 2500
_FRAMES = re.compile(r"[0-9]{1,6}(,[0-9]{1,6})*")
_BULK_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_SERIES = "/studies/{study}/series/{series}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"


def routes(site: Site) -> APIRouter:
    """Return the routes that retrieve."""
    pages = Retrieval(site)
    router = APIRouter(prefix=PREFIX)
    router.api_route("/studies/{study}", **READ)(pages.study)
    router.api_route("/studies/{study}/metadata", **READ)(pages.study_metadata)
    router.api_route(_SERIES, **READ)(pages.series)
    router.api_route(f"{_SERIES}/metadata", **READ)(pages.series_metadata)
    router.api_route(_INSTANCE, **READ)(pages.instance)
    router.api_route(f"{_INSTANCE}/metadata", **READ)(pages.instance_metadata)
    router.api_route(f"{_INSTANCE}/frames/{{frames}}", **READ)(pages.frames)
    router.api_route(f"{_INSTANCE}/bulkdata/{{tag}}", **READ)(pages.bulk_data)
    router.api_route(f"{_INSTANCE}/rendered", **READ)(pages.rendered)
    return router


class Retrieval:
    """What is retrieved; each look is noted first."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._held = Held(site)

    def study(self, request: Request, study: Uid) -> Response:
        """Return all instances of a study."""
        return self._files(request, self._held.instances(request, "instances", study))

    def series(self, request: Request, study: Uid, series: Uid) -> Response:
        """Return all instances of a series."""
        return self._files(request, self._held.instances(request, "instances", study, series))

    def instance(self, request: Request, study: Uid, series: Uid, instance: Uid) -> Response:
        """Return one instance, also as a file of its own for who accepts ``application/dicom``."""
        found = self._held.instances(request, "instances", study, series, instance)
        for entry in accepted(_accept(request)):
            if entry.name == DICOM and entry.transfer_syntax in {"", "*", found[0].transfer_syntax_uid}:
                self._held.check(found[0])
                return StreamingResponse(self._held.chunks(found[0]), media_type=DICOM)
            if entry.is_multipart or entry.name == ANYTHING:
                break
        return self._files(request, found)

    def study_metadata(self, request: Request, study: Uid) -> Response:
        """Return the metadata of all instances of a study."""
        return self._metadata(self._held.instances(request, "metadata", study))

    def series_metadata(self, request: Request, study: Uid, series: Uid) -> Response:
        """Return the metadata of all instances of a series."""
        return self._metadata(self._held.instances(request, "metadata", study, series))

    def instance_metadata(self, request: Request, study: Uid, series: Uid, instance: Uid) -> Response:
        """Return the metadata of one instance."""
        return self._metadata(self._held.instances(request, "metadata", study, series, instance))

    def frames(self, request: Request, study: Uid, series: Uid, instance: Uid, frames: str) -> Response:
        """Return frames of an image, each in a part of its own."""
        (found,) = self._held.instances(request, "frames", study, series, instance)
        numbers = [int(number) for number in frames.split(",")] if _FRAMES.fullmatch(frames) else []
        if not 1 <= len(numbers) <= _MOST_FRAMES:
            raise HTTPException(400, f"Frames are numbers from 1 with commas between, {_MOST_FRAMES} at most.")
        form = choose_form(accepted(_accept(request)), found.transfer_syntax_uid)
        most = self._site.settings.inference.max_pixels
        with pictures.drawing:
            dataset = self._held.dataset(found)
            try:
                contents = {number: read_frame(dataset, number, form, most) for number in numbers}
            except HTTPException:
                raise
            except Exception as error:  # noqa: BLE001 - pydicom converts on access and raises anything
                log.warning("frames-not-shown", instance_uid=instance, error=type(error).__name__)
                raise HTTPException(410, "The pixel data of the instance are broken.") from None
        address = instance_address(study, series, instance)
        content_type = f"{form.media_type}; transfer-syntax={form.transfer_syntax}"
        parts = [
            Part({"Content-Type": content_type, "Content-Location": f"{address}/frames/{number}"}, [contents[number]])
            for number in numbers
        ]
        return multipart_response(parts, form.media_type)

    def bulk_data(self, request: Request, study: Uid, series: Uid, instance: Uid, tag: str) -> Response:
        """Return one long binary value; of pixel data the value as it is stored."""
        (found,) = self._held.instances(request, "bulk data", study, series, instance)
        if not _BULK_TAG.fullmatch(tag):
            raise HTTPException(404)
        asked = accepted(_accept(request))
        if not any(matches(entry.content, OCTETS) for entry in asked):
            raise HTTPException(406, "Bulk data are answered as application/octet-stream.")
        with pictures.drawing:
            dataset = self._held.dataset(found)
            value = dataset.get_item(int(tag, 16))
            if value is None or not isinstance(value.value, bytes) or not json_model.is_bulk(dataset, value.tag):
                raise HTTPException(404)
            content = value.value
        if asked[0].is_multipart:
            return multipart_response([Part({"Content-Type": OCTETS}, [content])], OCTETS)
        return Response(content, media_type=OCTETS)

    def rendered(self, request: Request, study: Uid, series: Uid, instance: Uid) -> Response:
        """Return an image as a reader is meant to see it, as JPEG or PNG."""
        (found,) = self._held.instances(request, "rendered", study, series, instance)
        media_type = choose(_accept(request), ("image/jpeg", "image/png"))
        if media_type is None:
            raise HTTPException(406, "Images are rendered as image/jpeg or image/png.")
        try:
            if found.is_document:
                png = self._held.capture_png(found, _LONGEST_SIDE)
            else:
                with pictures.drawing:
                    png = radiographs.draw(self._site.settings, found.path)
        except (PermanentError, OSError) as error:
            log.warning("image-not-shown", instance_uid=instance, error=type(error).__name__)
            raise HTTPException(406, "The instance cannot be rendered: it is no image that can be decoded.") from None
        return Response(_as(png, media_type), media_type=media_type)

    def _files(self, request: Request, instances: Sequence[HeldInstance]) -> Response:
        """Return the files of instances, read while they are sent; 406 where another form of one is asked for."""
        asked = [entry for entry in accepted(_accept(request)) if matches(entry.content, DICOM)]
        asked = [entry for entry in asked if entry.is_multipart or entry.name == ANYTHING]
        if not any(_takes_all(entry.transfer_syntax, instances) for entry in asked):
            raise HTTPException(
                406, "Instances are answered as multipart/related of application/dicom, in the stored transfer syntax: "
                "ask for transfer-syntax=*.",
            )  # fmt: skip
        for instance in instances:
            self._held.check(instance)
        parts = (
            Part(
                {
                    "Content-Type": f"{DICOM}; transfer-syntax={entry.transfer_syntax_uid}",
                    "Content-Location": instance_address(entry.study_uid, entry.series_uid, entry.instance_uid),
                },
                self._held.chunks(entry),
            )
            for entry in instances
        )
        return multipart_response(parts, DICOM)

    def _metadata(self, instances: Sequence[HeldInstance]) -> Response:
        for instance in instances:
            self._held.path(instance)
        return StreamingResponse(self._write_metadata(instances), media_type=json_model.MEDIA_TYPE)

    def _write_metadata(self, instances: Sequence[HeldInstance]) -> Iterator[str]:
        """Yield the array an instance at a time; what cannot be read any more is left out."""
        yield "["
        separator = ""
        for entry in instances:
            try:
                header = self._held.header(entry)
            except HTTPException:
                continue
            address = instance_address(entry.study_uid, entry.series_uid, entry.instance_uid)
            yield separator + json_model.encode(header, f"{address}/bulkdata")
            separator = ","
        yield "]"


def _accept(request: Request) -> str:
    """Return what the client accepts; the parameter wins over the header (PS3.18 8.3.3.1)."""
    return request.query_params.get("accept") or request.headers.get("accept", "")


def _takes_all(transfer_syntax: str, instances: Sequence[HeldInstance]) -> bool:
    return transfer_syntax in {"", "*"} or all(transfer_syntax == entry.transfer_syntax_uid for entry in instances)


def _as(png: bytes, media_type: str) -> bytes:
    if media_type == "image/png":
        return png
    content = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(content, "JPEG", quality=90)
    return content.getvalue()

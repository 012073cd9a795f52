"""Held instances for the interface: found by UIDs, their looks noted, their files read as they were recorded."""

from collections.abc import Iterator
from pathlib import Path

from fastapi import Request
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian
from starlette.exceptions import HTTPException

from config.errors import PermanentError
from config.logs import get_logger
from console import pictures
from console.site import Site
from console.stored_files import read_stored
from tracking.audit_log import audit
from tracking.lists import holdings
from tracking.lists.holdings import HeldInstance, HeldStudy
from tracking.lists.study_page import StoredFile

log = get_logger(__name__)
_CHUNK = 1 << 20
_NOT_HELD = (
    "Nothing of this study is shown: it is not on record, or its images name two patients and an administrator has to "
    "decide (`cxrnode study`)."
)


class Held:
    """What the node holds, for the routes that show it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def study(self, request: Request, uid: str, what: str) -> HeldStudy:
        """Return a study, and note the look; 404 where there is none, or nothing to be shown."""
        found = self._find(uid)
        self._site.note_view(request, uid, {"what": what, "how": "dicomweb"})
        return found

    def instances(
        self, request: Request, what: str, study: str, series: str | None = None, instance: str | None = None
    ) -> list[HeldInstance]:
        """Return the instances under an address, one at least, and note the look; else 404."""
        found = [
            entry
            for entry in self._find(study).instances
            if series in {None, entry.series_uid} and instance in {None, entry.instance_uid}
        ]
        if not found:
            raise HTTPException(404)
        detail: audit.Detail = {"what": what, "how": "dicomweb"}
        detail |= {"series_uid": series} if series is not None else {}
        detail |= {"instance_uid": instance} if instance is not None else {}
        self._site.note_view(request, study, detail)
        return found

    def _find(self, study: str) -> HeldStudy:
        with self._site.database.reading() as read:
            found = holdings.held_study(read, study)
        if found is None:
            raise HTTPException(404, _NOT_HELD)
        return found

    def check(self, instance: HeldInstance) -> None:
        """Raise 410 where the file of an instance is missing, or a document is not what was recorded."""
        if instance.is_document:
            self.document(instance)
        else:
            self.path(instance)

    def path(self, instance: HeldInstance) -> Path:
        """Return where the file of an instance lies; 410 where it does not."""
        settings = self._site.settings
        path = (settings.document_dir if instance.is_document else settings.instance_dir) / instance.path
        if not path.is_file():
            raise _gone(instance, "missing")
        return path

    def header(self, instance: HeldInstance) -> Dataset:
        """Return the data set of an instance up to its pixel data; 410 where it cannot be read."""
        path = self.path(instance)
        try:
            if instance.transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
                return self.dataset(instance)
            return dcmread(path, stop_before_pixels=True)
        except HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - pydicom raises whatever broken bytes lead it to
            raise _gone(instance, type(error).__name__) from None

    def dataset(self, instance: HeldInstance) -> Dataset:
        """Return the whole data set of an instance; 410 where it cannot be read."""
        from inference.pixels import read_dataset  # which brings the decoders

        try:
            return read_dataset(self.path(instance))
        except (PermanentError, OSError) as error:
            raise _gone(instance, type(error).__name__) from None

    def chunks(self, instance: HeldInstance) -> Iterator[bytes]:
        """Yield the bytes of the file; of a document only the very ones that were recorded."""
        if instance.is_document:
            yield self.document(instance)
            return
        with self.path(instance).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def document(self, instance: HeldInstance) -> bytes:
        """Return the bytes of a document; 410 where they are not those that were recorded."""
        file = StoredFile(instance.instance_uid, instance.kind, instance.path, instance.sha256, instance.size)
        try:
            return read_stored(self._site.settings.document_dir, file)
        except PermanentError as error:
            raise _gone(instance, type(error).__name__) from None

    def capture_png(self, instance: HeldInstance, longest_side: int | None) -> bytes:
        """Return a capture as PNG."""
        file = StoredFile(instance.instance_uid, instance.kind, instance.path, instance.sha256, instance.size)
        return pictures.draw(self._site.settings.document_dir, file, longest_side=longest_side)


def _gone(instance: HeldInstance, error: str) -> HTTPException:
    log.warning("instance-not-shown", instance_uid=instance.instance_uid, error=error)
    return HTTPException(410, "An instance is on record, but its file cannot be read: restore it from the backup.")

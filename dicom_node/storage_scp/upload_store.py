"""Upload store: makes an upload object durable in the instance store, apart from what was received."""

import time
from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings
from dicom_node.format.file_meta import file_meta
from dicom_node.format.header import read_file_meta
from dicom_node.instance_store.store import UPLOADS, InstanceStore
from dicom_node.storage_scp.admission import admit_file
from tracking.studies.instances import IncomingInstance

_ABANDONED_SECONDS = 3600.0
"""A file that no row names for so long is of an upload that came to no end."""


class UploadStore:
    """Where uploads are kept. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._store = InstanceStore(settings.instance_dir, min_free_bytes=settings.receive.min_free_disk_bytes)
        self._ae_title = settings.node.ae_title
        self._is_open = False

    def keep(self, content: bytes, *, calling_ae: str, address: str) -> IncomingInstance:
        """Make a DICOM file durable; return what is to be recorded of it.

        Until that is recorded, nobody is told that it is kept.

        Raises
        ------
        StorageFull
            There is no room for it.
        NotAdmitted
            It is none that the node would store.
        """
        header = admit_file(content)
        if not self._is_open:
            self._store.open()
            self._is_open = True
        meta = read_file_meta(content[: 1 << 16])
        partial = self._store.start(file_meta(header.sop_class_uid, header.instance_uid, meta.transfer_syntax_uid))
        try:
            partial.write(memoryview(content)[meta.end :])
            path = self._store.place_upload(partial, header.instance_uid, meta.transfer_syntax_uid)
        finally:
            partial.discard()
        return IncomingInstance(
            instance_uid=header.instance_uid, sop_class_uid=header.sop_class_uid, series_uid=header.series_uid,
            transfer_syntax_uid=meta.transfer_syntax_uid, modality=header.modality, sha256=partial.sha256,
            size=partial.size, path=path, calling_ae=calling_ae, called_ae=self._ae_title, address=address,
            study=header.study, repeated=header.repeated,
        )  # fmt: skip

    def forget(self, incoming: IncomingInstance) -> None:
        """Remove a file that could not be recorded."""
        self._store.remove(incoming.path)


def abandoned_files(root: Path, recorded: frozenset[str]) -> Iterator[str]:
    """Yield files of uploads, relative to the store, that no row names and that nobody is about to record."""
    before = time.time() - _ABANDONED_SECONDS
    for path in sorted((root / UPLOADS).glob("*.dcm")):
        name = f"{UPLOADS}/{path.name}"
        if name not in recorded and path.stat().st_mtime < before:
            yield name

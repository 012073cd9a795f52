"""A DICOM file as something to send: what it is, and its data set as it stands on disk (PS3.10 7.1)."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from config.errors import UnreadableInstance
from dicom_node.format.file_meta import PREAMBLE, file_meta
from dicom_node.format.header import PREFIX_BYTES, identify, is_usable_uid, read_file_meta


@dataclass(frozen=True, slots=True)
class DicomFile:
    """A file with DICOM file meta information; ``offset`` is where its data set begins, in bytes.

    ``agrees`` says whether the file meta information names the same SOP class and instance as the data set.
    """

    path: Path
    sop_class_uid: str
    instance_uid: str
    transfer_syntax_uid: str
    offset: int
    agrees: bool = True

    @property
    def context(self) -> tuple[str, str]:
        """SOP class and transfer syntax: what a presentation context has to offer."""
        return self.sop_class_uid, self.transfer_syntax_uid

    @contextmanager
    def data_set(self) -> Iterator[memoryview]:
        """Look at the encoded data set without reading it into memory."""
        try:
            with (
                self.path.open("rb") as file,
                mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped,
                memoryview(mapped) as whole,
                whole[self.offset :] as data,
            ):
                yield data
        except FileNotFoundError as error:
            msg = "the file is no longer there"
            raise UnreadableInstance(msg) from error

    @contextmanager
    def consistent(self) -> Iterator[Path]:
        """Yield a file with the same data set, under file meta information that agrees with it: mostly this one."""
        if self.agrees:
            yield self.path
            return
        with NamedTemporaryFile(suffix=".dcm") as copy, self.data_set() as data:
            copy.write(file_meta(self.sop_class_uid, self.instance_uid, self.transfer_syntax_uid))
            copy.write(data)
            copy.flush()
            yield Path(copy.name)


def open_file(path: Path) -> DicomFile:
    """Find out what a file is, from its file meta information and the beginning of its data set.

    The data set's own UIDs win where the meta information contradicts them: receivers compare with those.

    Raises
    ------
    UnreadableInstance
        It is no DICOM file, or does not say what it is.
    """
    try:
        with path.open("rb") as file:
            head = file.read(PREFIX_BYTES)
    except OSError as error:
        msg = f"the file cannot be read: {error.strerror}"
        raise UnreadableInstance(msg) from error
    if head[128:132] != PREAMBLE[128:]:
        msg = "this is no DICOM file: the prefix DICM is missing (PS3.10 7.1)"
        raise UnreadableInstance(msg)
    meta = read_file_meta(head)
    sop_class_uid, instance_uid = identify(head[meta.end :], meta.transfer_syntax_uid)
    file_is = DicomFile(
        path=path,
        sop_class_uid=sop_class_uid or meta.sop_class_uid,
        instance_uid=instance_uid or meta.instance_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        offset=meta.end,
        agrees=sop_class_uid in {"", meta.sop_class_uid} and instance_uid in {"", meta.instance_uid},
    )
    if not all(map(is_usable_uid, (file_is.sop_class_uid, file_is.instance_uid, file_is.transfer_syntax_uid))):
        msg = "the file does not name its SOP class, SOP instance and transfer syntax"
        raise UnreadableInstance(msg)
    return file_is

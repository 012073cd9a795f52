"""Admission: what a data set must be to be stored, and the status under which it is refused otherwise.

One rule for whatever comes over the network and for a file that somebody holds in hand.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from config.errors import PermanentError, UnreadableInstance
from dicom_node.format.header import (
    PREFIX_BYTES,
    Header,
    UnusableUid,
    is_cut_short,
    is_usable_uid,
    parse_header,
    read_file_meta,
)
from dicom_node.upper_layer.message import Answer

BAD_INSTANCE_UID = Answer(0x0117, "SOP Instance UID is empty, too long or no UID")
MISMATCH = Answer(0xA900, "data set does not match SOP class or instance of command")
UNPARSABLE = Answer(0xC000, "no usable Study Instance UID could be read")
CUT_SHORT = Answer(0xC000, "data set ends within its last element")

WholeDataSet = Callable[[], AbstractContextManager[memoryview]]


class NotAdmitted(PermanentError):
    """A data set is not stored; ``answer`` has the status and the reason, which holds no patient data."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(f"{answer.comment} (status {answer.status:04X})")


def admit(
    prefix: bytes | bytearray | memoryview,
    size: int,
    whole: WholeDataSet,
    transfer_syntax_uid: str,
    named: tuple[str, str] | None = None,
) -> Header:
    """Return the header of a data set that may be stored.

    Parameters
    ----------
    prefix
        The first bytes of the data set, all of them or at least :data:`PREFIX_BYTES`.
    size
        Bytes of the whole data set.
    whole
        Opens the whole data set, for headers that the prefix does not hold.
    transfer_syntax_uid
        How it is encoded.
    named
        SOP class and SOP instance that the command named; None where there is no command.

    Raises :class:`NotAdmitted` with the answer for the sender.
    """
    header = _header(prefix, size, whole, transfer_syntax_uid)
    if named is not None and (header.sop_class_uid, header.instance_uid) != named:
        raise NotAdmitted(MISMATCH)
    if not is_usable_uid(header.instance_uid):
        raise NotAdmitted(BAD_INSTANCE_UID)
    if size <= len(prefix):
        cut_short = is_cut_short(prefix, transfer_syntax_uid)
    else:
        with whole() as data:
            cut_short = is_cut_short(data, transfer_syntax_uid)
    if cut_short:
        raise NotAdmitted(CUT_SHORT)
    return header


def admit_file(content: bytes) -> Header:
    """Return the header of an encoded DICOM file whose data set may be stored; raises as :func:`admit` does."""
    meta = read_file_meta(content[:PREFIX_BYTES])
    data = memoryview(content)[meta.end :]
    return admit(data, len(data), lambda: nullcontext(data), meta.transfer_syntax_uid)


def _header(prefix: bytes | bytearray | memoryview, size: int, whole: WholeDataSet, transfer_syntax_uid: str) -> Header:
    """Parse from the first bytes, and from the whole data set where something long comes first."""
    try:
        header = parse_header(prefix, transfer_syntax_uid, complete=size <= len(prefix))
        if header is None:
            with whole() as data:
                header = parse_header(data, transfer_syntax_uid)
    except UnusableUid as error:
        raise NotAdmitted(Answer(BAD_INSTANCE_UID.status, str(error))) from None
    except UnreadableInstance:
        header = None
    if header is None:
        raise NotAdmitted(UNPARSABLE)
    return header

"""Associations that we open to ask a peer about what it has."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association as PynetdicomAssociation

from config.errors import PeerBusy, PeerUnavailable, RefusedByPeer
from dicom_node.format.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicom_node.storage_scu.association import Association, Handlers
from dicom_node.storage_scu.target import Target

_BUSY = frozenset({0x0110, 0x0213, 0xA700, 0xA701, 0xA702})
"""Processing failure, resource limitation (PS3.7 C.5.8, C.5.22), out of resources (PS3.4 C.4.1.1.4)."""


@contextmanager
def associate(target: Target, sop_class_uid: str, handlers: Handlers = ()) -> Iterator[PynetdicomAssociation]:
    """Open an association for one SOP class, and release it at the end.

    Raises
    ------
    PeerUnavailable, PeerBusy, RefusedByPeer
        There is none, or the peer does not accept the class.
    """
    contexts = [(sop_class_uid, EXPLICIT_LITTLE), (sop_class_uid, IMPLICIT_LITTLE)]
    with Association(target, contexts, handlers) as association:
        if not association.accepts_class(sop_class_uid):
            msg = f"{target.name} does not offer {UID(sop_class_uid).name}"
            raise RefusedByPeer(msg)
        try:
            yield association.requestor
        except RuntimeError as error:  # pynetdicom's, where the peer has ended it in between
            msg = f"{target.name} ended the association"
            raise PeerUnavailable(msg) from error


def check_status(target: Target, service: str, status: Dataset) -> None:
    """Raise what a response's status means, unless it is success; an empty one is none at all."""
    if "Status" not in status:
        msg = f"{target.name} did not answer {service}"
        raise PeerUnavailable(msg)
    code = int(status.Status)
    if code == 0:
        return
    msg = f"{target.name} answered {service} with status {code:04X}"
    raise PeerBusy(msg) if code in _BUSY else RefusedByPeer(msg)

"""Associations that we open to ask a peer about what it has; pynetdicom is the SCU."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from config.certificates import client_context
from config.errors import PeerBusy, PeerUnavailable, RefusedByPeer, SettingsError
from dicom_node.format.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.storage_scu import answers
from dicom_node.storage_scu.send import Target
from dicom_node.upper_layer import pynetdicom_logs

pynetdicom_logs.keep_quiet()

_BUSY = frozenset({0x0110, 0x0213, 0xA700, 0xA701, 0xA702})
"""Processing failure, resource limitation (PS3.7 C.5.8, C.5.22), out of resources (PS3.4 C.4.1.1.4)."""


@contextmanager
def associate(target: Target, sop_class_uid: str, handlers: Sequence[tuple[Any, ...]] = ()) -> Iterator[Association]:
    """Open an association for one SOP class, and release it at the end.

    Raises
    ------
    PeerUnavailable, PeerBusy, RefusedByPeer
        There is none, or the peer does not accept the class.
    """
    ae = AE(target.calling_ae)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.connection_timeout = target.connect_seconds
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = target.response_seconds
    ae.add_requested_context(sop_class_uid, [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
    try:
        tls = None if target.tls is None else (client_context(target.tls), target.tls.server_name)
    except SettingsError as error:  # a file may be away for a moment, while somebody renews it
        msg = f"{target.name} cannot be reached: {error}"
        raise PeerUnavailable(msg) from error
    association = ae.associate(
        target.host, target.port, ae_title=target.called_ae, tls_args=tls, evt_handlers=list(handlers)
    )
    try:
        if not association.is_established:
            raise _not_established(association, target)
        try:
            yield association
        except BaseException:
            association.abort()
            raise
        association.release()
    finally:
        _hang_up(association)


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


def _hang_up(association: Association) -> None:
    """Close the connection: after an abort pynetdicom leaves that to the garbage collector."""
    connection = association.dul.socket
    if connection is not None:
        connection.close()


def _not_established(association: Association, target: Target) -> Exception:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        body = bytes((0, answer.result or 1, answer.result_source or 1, answer.diagnostic or 1))
        return answers.rejection(target.name, target.calling_ae, target.called_ae, body)
    if association.rejected_contexts:
        kind = association.rejected_contexts[0].abstract_syntax
        msg = f"{target.name} does not offer {kind.name if kind is not None else 'what was asked for'}"
        return RefusedByPeer(msg)
    msg = f"{target.name} cannot be reached, or ended the connection"
    return PeerUnavailable(msg)

"""Presentation contexts as a requestor proposes them, and what the peer took of them (PS3.8 9.3.2, 9.3.3).

One transfer syntax a context, so that none is chosen for us.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.upper_layer.association_request import APPLICATION_CONTEXT
from dicom_node.upper_layer.pdus import ProtocolError
from dicom_node.upper_layer.presentation import ContextResult

Context = tuple[str, str]
"""SOP Class UID and transfer syntax UID."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a peer took of a proposal.

    ``accepted`` has the presentation context ID of each accepted context; ``without_syntax`` are those whose SOP class
    it takes, but not in this transfer syntax (PS3.8 9.3.3.2, result 4). ``max_pdu_bytes`` is 0 for no limit.
    """

    accepted: dict[Context, int]
    without_syntax: frozenset[Context]
    max_pdu_bytes: int


def encode_request(calling_ae: str, called_ae: str, contexts: Sequence[Context], max_pdu_bytes: int) -> bytes:
    """Return an A-ASSOCIATE-RQ that proposes these different contexts; ``max_pdu_bytes`` is the longest PDU we take."""
    request = A_ASSOCIATE()
    request.application_context_name = UID(APPLICATION_CONTEXT.decode())
    request.calling_ae_title = calling_ae
    request.called_ae_title = called_ae
    proposed = []
    for (sop_class_uid, transfer_syntax_uid), context_id in _numbered(contexts).items():
        context = build_context(sop_class_uid, transfer_syntax_uid)
        context.context_id = context_id
        proposed.append(context)
    request.presentation_context_definition_list = proposed
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = max_pdu_bytes
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    items: list[Any] = [maximum, implementation, version]
    request.user_information = items
    return bytes(A_ASSOCIATE_RQ(request).encode())


def read_answer(encoded: bytes, contexts: Sequence[Context]) -> Agreement:
    """Return what an A-ASSOCIATE-AC says of the contexts that were proposed; raise ProtocolError if it is none."""
    answer = A_ASSOCIATE_AC()
    try:
        answer.decode(encoded)
        primitive = answer.to_primitive()
        results = {item.context_id: item.result for item in primitive.presentation_context_definition_results_list}
        max_pdu_bytes = int(primitive.maximum_length_received or 0)
    except Exception as error:  # pynetdicom raises whatever its parsing runs into
        raise ProtocolError("association answer cannot be parsed") from error
    numbered = _numbered(contexts)
    refused_syntax = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    return Agreement(
        accepted={kind: number for kind, number in numbered.items() if results.get(number) == ContextResult.ACCEPTANCE},
        without_syntax=frozenset(kind for kind, number in numbered.items() if results.get(number) == refused_syntax),
        max_pdu_bytes=max_pdu_bytes,
    )


def _numbered(contexts: Sequence[Context]) -> dict[Context, int]:
    """Give each context its presentation context ID: the odd numbers from 1 (PS3.8 9.3.2.2)."""
    return {context: 2 * index + 1 for index, context in enumerate(contexts)}

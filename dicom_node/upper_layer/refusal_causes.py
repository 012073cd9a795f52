"""Why something was refused and which setting would change it: pure functions that make the traces."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dicom_node.format.sop_classes import every_storage_class, policy_word
from dicom_node.format.syntaxes import CANDIDATES
from dicom_node.upper_layer.access import Caller, Rejection
from dicom_node.upper_layer.presentation import ContextResult, RefusedContext
from dicom_node.upper_layer.tls_transport import HandshakeFailed
from tracking.audit_log.refusals import Refusal, RefusalKind

MOST_NAMED = 8
"""Refused contexts of an association that are all named; toolkits propose every class they know, 128 at times."""

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_ANY_IMAGE = 'add "any-image" to receive.accept'
_OTHER_SYNTAX = "let the sender send Explicit VR Little Endian"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why presentation contexts were refused, whoever proposed them; ``status`` is the result in the answer."""

    reason: str
    cure: str
    status: str
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""


OTHER_CLASSES = Cause("other SOP classes not accepted", _ANY_IMAGE, "3")


def valid_uid(value: str | bytes) -> str:
    """Return a UID as it is if it is one (PS3.5 9.1), else nothing: free text in its place could name a patient."""
    text = value.decode("latin_1") if isinstance(value, bytes) else value
    return text if len(text) <= 64 and _UID.fullmatch(text) else ""


def causes(refused: Iterable[RefusedContext]) -> tuple[Cause, ...]:
    """Return why contexts were refused, each cause once.

    Of more than :data:`MOST_NAMED`, those that a setting of their own would change are kept apart, the rest is one.
    """
    found = list(dict.fromkeys(_cause(context) for context in refused))
    if len(found) <= MOST_NAMED:
        return tuple(found)
    named = [cause for cause in found if cause.transfer_syntax_uid or policy_word(cause.sop_class_uid)]
    return (*named[:MOST_NAMED], OTHER_CLASSES)


def refused_contexts(caller: Caller, refused: Iterable[Cause], *, was_used: bool) -> list[Refusal]:
    """Return the trace of an association's refused contexts.

    ``was_used`` says that an image or a C-ECHO came over another context.
    """
    kind = RefusalKind.SPARE_CONTEXT if was_used else RefusalKind.CONTEXT
    return [
        Refusal(
            kind, cause.reason, cause.cure, cause.status, caller.calling_ae, caller.called_ae, caller.address,
            cause.sop_class_uid, cause.transfer_syntax_uid,
        )
        for cause in refused
    ]  # fmt: skip


def rejected_association(caller: Caller, rejection: Rejection) -> Refusal:
    """Return the trace of a rejected association."""
    return Refusal(
        RefusalKind.ASSOCIATION, rejection.reason, rejection.cure,
        f"{rejection.result},{rejection.source},{rejection.diagnostic}",
        caller.calling_ae, caller.called_ae, caller.address,
    )  # fmt: skip


def broken_off(caller: Caller, reason: str) -> Refusal:
    """Return the trace of a connection that ended, by what the peer did, before there was an association."""
    cure = "none: the sender has to follow PS3.8"
    return Refusal(
        RefusalKind.ASSOCIATION, reason, cure, "A-ABORT", caller.calling_ae, caller.called_ae, caller.address
    )


def failed_handshake(caller: Caller, failure: HandshakeFailed) -> Refusal:
    """Return the trace of a TLS handshake that came to nothing."""
    return Refusal(RefusalKind.ASSOCIATION, failure.reason, failure.cure, "TLS", address=caller.address)


def refused_instance(caller: Caller, status: str, reason: str, sop_class_uid: str, syntax_uid: str) -> Refusal:
    """Return the trace of a refused C-STORE."""
    return Refusal(
        RefusalKind.INSTANCE, reason, "none: the sender has to mend the image", status, caller.calling_ae,
        caller.called_ae, caller.address, valid_uid(sop_class_uid), valid_uid(syntax_uid),
    )  # fmt: skip


def _cause(context: RefusedContext) -> Cause:
    sop_class = valid_uid(context.proposed.abstract_syntax)
    status = str(int(context.result))
    if context.result is ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED:
        reason = "SOP class not accepted" if sop_class else "abstract syntax is no UID"
        return Cause(reason, _class_cure(sop_class), status, sop_class)
    syntax = valid_uid(next(iter(context.proposed.transfer_syntaxes), b""))
    cure = _OTHER_SYNTAX
    if syntax in CANDIDATES:
        cure = f"install its decoder (`cxrnode doctor` says which), or {_OTHER_SYNTAX}"
    return Cause("transfer syntax not accepted", cure, status, sop_class, syntax)


def _class_cure(sop_class_uid: str) -> str:
    if word := policy_word(sop_class_uid):
        return f'add "{word}" to receive.accept'
    return _ANY_IMAGE if sop_class_uid in every_storage_class() else "none: this node offers no such service"

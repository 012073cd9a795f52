"""Presentation contexts: which of the proposed ones are accepted (PS3.8 9.3.3.2, PS3.7 D.3.3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from dicom_node.format.syntaxes import IMPLICIT_LITTLE
from dicom_node.upper_layer.association_request import ProposedContext

Supported = Mapping[bytes, tuple[bytes, ...]]
"""Abstract syntax → the transfer syntaxes we take it in, best first: the acceptor's order decides."""


class ContextResult(IntEnum):
    """Result of a presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """A presentation context on which messages may come."""

    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class RefusedContext:
    """A presentation context that was proposed and not accepted."""

    proposed: ProposedContext
    result: ContextResult


def decide(context: ProposedContext, supported: Supported) -> tuple[ContextResult, bytes]:
    """Return the result and the transfer syntax of the answer, which means nothing unless the context is accepted."""
    ours = supported.get(context.abstract_syntax)
    if ours is None:
        return ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT_LITTLE.encode()
    proposed = frozenset(context.transfer_syntaxes)
    for syntax in ours:
        if syntax in proposed:
            return ContextResult.ACCEPTANCE, syntax
    return ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, IMPLICIT_LITTLE.encode()

"""Storage and Verification SCU: stored files go to a peer as they are, in the transfer syntax they are in.

Failures come out as what the caller has to do about them (:mod:`config.errors`): the peer is not there (everything for
it waits), the peer is busy (this waits), or the peer will never take this (a person has to look).
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import UID

from config.errors import RefusedByPeer, UnreadableInstance
from dicom_node.format.dicom_file import DicomFile, open_file
from dicom_node.format.sop_classes import VERIFICATION
from dicom_node.format.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicom_node.storage_scu.answers import StoreOutcome
from dicom_node.storage_scu.association import Association, Context
from dicom_node.storage_scu.target import Target
from dicom_node.upper_layer.association_request import MAX_CONTEXTS


@dataclass(frozen=True, slots=True)
class Offer:
    """What a peer made of one document that can be had under several SOP classes.

    ``accepted`` are the SOP Class UIDs that it takes, in the order of the offer; ``outcome`` is None when the file is
    of none of them, and so was not sent.
    """

    accepted: tuple[str, ...]
    outcome: StoreOutcome | None


@dataclass(frozen=True, slots=True)
class EchoResult:
    """A C-ECHO's answer; ``seconds`` from the connection's first packet to the response."""

    status: int
    seconds: float


def store(files: Sequence[Path], target: Target) -> list[StoreOutcome]:
    """Send files with C-STORE, over one association as far as their kinds fit into one.

    Returns
    -------
    list of StoreOutcome
        One for each file, in the order given. A file that is no DICOM is reported, not raised.

    Raises
    ------
    PeerUnavailable
        No connection, or (AnswerMissing) it broke; nothing is known about files that have no outcome yet.
    PeerBusy, RefusedByPeer
        The peer rejected the association.
    """
    outcomes: dict[int, StoreOutcome] = {}
    readable: list[tuple[int, DicomFile]] = []
    for index, path in enumerate(files):
        try:
            readable.append((index, open_file(path)))
        except UnreadableInstance as error:
            outcomes[index] = StoreOutcome(path, "", None, str(error), error)
    for contexts, batch in _batches(readable):
        with Association(target, contexts) as association:
            for index, file in batch:
                outcomes[index] = association.store(file)
    return [outcomes[index] for index in range(len(files))]


def offer(path: Path, target: Target, sop_class_uids: Sequence[str]) -> Offer:
    """Propose several SOP classes in one association, and send a file if the peer accepts the file's own.

    Verification is proposed beside them, because some peers reject an association that has no context for them.

    Parameters
    ----------
    path
        The file to send.
    target
        Whom to call.
    sop_class_uids
        The classes that the content can be had in, the one liked best first.

    Raises
    ------
    PeerUnavailable, PeerBusy
        As for :func:`store`.
    RefusedByPeer
        The peer rejected the association, or takes none of the classes and says that the transfer syntax is the cause.
    UnreadableInstance
        The file is no DICOM.
    """
    file = open_file(path)
    contexts = [(uid, file.transfer_syntax_uid) for uid in sop_class_uids]
    with Association(target, [*contexts, (VERIFICATION, IMPLICIT_LITTLE)]) as association:
        accepted = tuple(context[0] for context in contexts if association.accepts(context))
        outcome = association.store(file) if file.sop_class_uid in accepted else None
        by_syntax = [context for context in contexts if association.refuses_syntax(context)]
    if not accepted and by_syntax:
        kind, syntax = (UID(uid).name for uid in by_syntax[0])
        msg = f"{target.name} accepts {kind}, but not in {syntax}; allow this transfer syntax there"
        raise RefusedByPeer(msg)
    return Offer(accepted, outcome)


def echo(target: Target) -> EchoResult:
    """Ask a peer whether it is there (C-ECHO); raise PeerUnavailable, PeerBusy or RefusedByPeer when it is not."""
    start = time.perf_counter()
    contexts = [(VERIFICATION, EXPLICIT_LITTLE), (VERIFICATION, IMPLICIT_LITTLE)]
    with Association(target, contexts) as association:
        status = association.echo()
        seconds = time.perf_counter() - start
    if status != 0:
        msg = f"{target.name} answered C-ECHO with status {status:04X}"
        raise RefusedByPeer(msg)
    return EchoResult(status, seconds)


def _batches(files: Sequence[tuple[int, DicomFile]]) -> Iterator[tuple[list[Context], list[tuple[int, DicomFile]]]]:
    """Cut a list of files so that each part's kinds fit into one association."""
    contexts: dict[Context, None] = {}
    batch: list[tuple[int, DicomFile]] = []
    for index, file in files:
        if file.context not in contexts and len(contexts) == MAX_CONTEXTS:
            yield list(contexts), batch
            contexts, batch = {}, []
        contexts[file.context] = None
        batch.append((index, file))
    if batch:
        yield list(contexts), batch

"""Storage and Verification SCU: stored files go to a peer as they are, in the transfer syntax they are in.

One thread, one socket, one write for each PDU. Failures come out as what the caller has to do about them
(:mod:`config.errors`): the peer is not there (everything for it waits), the peer is busy (this waits), or the peer
will never take this (a person has to look).
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from pydicom.uid import UID

from config.certificates import ClientTls, client_context, why_refused
from config.errors import (
    CxrnodeError,
    PeerUnavailable,
    RefusedByPeer,
    SettingsError,
    UnreadableInstance,
    document_under_way,
)
from dicom_node.format.dicom_file import DicomFile, open_file
from dicom_node.format.sop_classes import VERIFICATION
from dicom_node.format.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicom_node.storage_scu import answers
from dicom_node.storage_scu.proposal import Agreement, Context, encode_request, read_answer
from dicom_node.upper_layer import dimse, pdus
from dicom_node.upper_layer.association_request import MAX_CONTEXTS
from dicom_node.upper_layer.pdus import PduReader, ProtocolError
from dicom_node.upper_layer.tls_transport import TlsTransport
from dicom_node.upper_layer.transport import ConnectionLost, PlainTransport, TimedOut, Transport

_OUR_MAX_PDU = 65536
_LARGEST_SENT_PDU = 1 << 20
_LONGEST_RESPONSE = 65536
_RELEASE_SECONDS = 5.0
_ABORTED_BY_US = pdus.abort_pdu(0, by_provider=False)
_UNEXPECTED_PDU, _INVALID_PARAMETER = 2, 6
"""Reasons of an A-ABORT (PS3.8 Table 9-26)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A peer to call, in the clear where ``tls`` is None; times in seconds."""

    host: str
    port: int
    called_ae: str
    calling_ae: str
    connect_seconds: float = 10
    response_seconds: float = 60
    tls: ClientTls | None = None

    @property
    def name(self) -> str:
        """AE title, host and port, for messages."""
        return f"{self.called_ae} at {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of one file. ``status`` is the peer's (PS3.4 B.2.3), or None when it was never asked."""

    path: Path
    instance_uid: str
    status: int | None
    message: str
    error: CxrnodeError | None = field(default=None, compare=False)

    @property
    def stored(self) -> bool:
        """The peer has it: success, or success with a warning."""
        return self.error is None

    @property
    def status_text(self) -> str:
        """The status as it stands in conformance statements, four hexadecimal digits."""
        return "----" if self.status is None else f"{self.status:04X}"

    def raise_for_status(self) -> None:
        """Raise PeerBusy, RefusedByPeer or UnreadableInstance unless it is stored."""
        if self.error is not None:
            raise self.error


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


class Association:
    """An association we opened. Use it as a context manager: it is released at the end, aborted on an error.

    Parameters
    ----------
    target
        Whom to call.
    contexts
        The presentation contexts to propose, at most :data:`MAX_CONTEXTS`.
    """

    def __init__(self, target: Target, contexts: Iterable[Context]) -> None:
        self._target = target
        self._proposed = list(dict.fromkeys(contexts))
        self._agreement = Agreement({}, frozenset(), 0)
        self._fragment_bytes = 0
        self._message_id = 0
        self._transport: Transport | None = None
        self._farewell = _ABORTED_BY_US
        """What is said when the association does not end by a release: nothing to a peer that has gone."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.release()
        else:
            self.abort()

    def open(self) -> None:
        """Connect and negotiate."""
        target = self._target
        self._transport = _connect(target)
        self._reader = PduReader(self._transport, _OUR_MAX_PDU)
        try:
            self._send(encode_request(target.calling_ae, target.called_ae, self._proposed, _OUR_MAX_PDU))
            pdu = self._read()
            if pdu.kind == pdus.ASSOCIATE_RJ:
                self._farewell = b""
                raise answers.rejection(target.name, target.calling_ae, target.called_ae, bytes(pdu.body))
            if pdu.kind != pdus.ASSOCIATE_AC:
                self._farewell = pdus.abort_pdu(_UNEXPECTED_PDU)
                msg = f"{target.name} did not answer the association request"
                raise PeerUnavailable(msg)
            self._accept(pdus.whole_pdu(pdu))
        except CxrnodeError:
            self.abort()
            raise

    def accepts(self, context: Context) -> bool:
        """Tell whether the peer takes this SOP class in this transfer syntax."""
        return context in self._agreement.accepted

    def refuses_syntax(self, context: Context) -> bool:
        """Tell whether the peer takes this SOP class, but not in this transfer syntax (PS3.8 9.3.3.2, result 4)."""
        return context in self._agreement.without_syntax

    def store(self, file: DicomFile) -> StoreOutcome:
        """Send one file and wait for its status. Raises AnswerMissing where none comes."""
        context_id = self._agreement.accepted.get(file.context)
        if context_id is None:
            kind, syntax = (UID(uid).name for uid in file.context)
            msg = f"{self._target.name} does not accept {kind} in {syntax}"
            return StoreOutcome(file.path, file.instance_uid, None, msg, RefusedByPeer(msg))
        command = self._command(dimse.C_STORE_RQ, file.sop_class_uid)
        command |= {
            dimse.PRIORITY: 0,
            dimse.DATA_SET_TYPE: 1,
            dimse.AFFECTED_SOP_INSTANCE: file.instance_uid.encode("latin_1"),
        }
        prelude = pdus.command_pdu(context_id, dimse.encode_command(command))
        with document_under_way():
            with file.data_set() as data:
                for piece in self._data_pdus(context_id, data):
                    self._send(prelude + piece)
                    prelude = b""
            response = self._response(dimse.C_STORE_RSP)
        status = dimse.number(response, dimse.STATUS)
        comment = "".join(filter(str.isprintable, response.get(dimse.ERROR_COMMENT, b"").decode("latin_1"))).strip()
        message = "stored" if status == 0 else answers.meaning(status, comment)
        error = answers.status_error(self._target.name, status)
        return StoreOutcome(file.path, file.instance_uid, status, message, error)

    def echo(self) -> int:
        """Send a C-ECHO and return its status."""
        context_id = next(
            (number for (kind, _), number in self._agreement.accepted.items() if kind == VERIFICATION), None
        )
        if context_id is None:
            msg = f"{self._target.name} does not offer Verification"
            raise RefusedByPeer(msg)
        command = self._command(dimse.C_ECHO_RQ, VERIFICATION) | {dimse.DATA_SET_TYPE: dimse.NO_DATA_SET}
        self._send(pdus.command_pdu(context_id, dimse.encode_command(command)))
        return dimse.number(self._response(dimse.C_ECHO_RSP), dimse.STATUS)

    def release(self) -> None:
        """Say goodbye; every outcome is known by now, so a peer that does not answer is no failure."""
        if self._transport is None:
            return
        self._farewell = b""
        with contextlib.suppress(PeerUnavailable):
            self._send(pdus.release_pdu(pdus.RELEASE_RQ))
            self._await_release()
        self.abort()

    def abort(self) -> None:
        """End the association at once."""
        if self._transport is not None:
            self._transport.hang_up(self._farewell, patience=0.2 if self._farewell else 0.0)
            self._transport = None

    def _await_release(self) -> None:
        """Wait for the A-RELEASE-RP; a peer that asks for the release at the same time gets one (PS3.8 9.2.2)."""
        deadline = time.monotonic() + min(_RELEASE_SECONDS, self._target.response_seconds)
        collided = False
        while (pdu := self._read(deadline - time.monotonic())).kind != pdus.RELEASE_RP:
            if pdu.kind == pdus.RELEASE_RQ and not collided:
                self._send(pdus.release_pdu(pdus.RELEASE_RP))
                collided = True
            elif pdu.kind != pdus.P_DATA or collided:
                self._farewell = pdus.abort_pdu(_UNEXPECTED_PDU)
                return

    def _accept(self, encoded: bytes) -> None:
        try:
            self._agreement = read_answer(encoded, self._proposed)
        except ProtocolError as error:
            self._farewell = pdus.abort_pdu(_INVALID_PARAMETER)
            msg = f"{self._target.name} sent an association answer that cannot be parsed"
            raise PeerUnavailable(msg) from error
        peer_max = self._agreement.max_pdu_bytes
        self._fragment_bytes = min(peer_max or _LARGEST_SENT_PDU, _LARGEST_SENT_PDU) - 6
        if self._fragment_bytes <= 0:
            msg = f"{self._target.name} allows no PDU long enough to hold data"
            raise RefusedByPeer(msg)

    def _command(self, field_value: int, sop_class_uid: str) -> dict[int, int | bytes]:
        self._message_id = self._message_id % 0xFFFF + 1
        return {
            dimse.AFFECTED_SOP_CLASS: sop_class_uid.encode("ascii"),
            dimse.COMMAND_FIELD: field_value,
            dimse.MESSAGE_ID: self._message_id,
        }

    def _data_pdus(self, context_id: int, data: memoryview) -> Iterator[bytes]:
        size = self._fragment_bytes
        for start in range(0, max(len(data), 1), size):
            piece = data[start : start + size]
            is_last = start + size >= len(data)
            yield pdus.data_pdu_header(context_id, len(piece), is_command=False, is_last=is_last) + piece

    def _response(self, expected: int) -> dict[int, bytes]:
        """Wait for the response to the command just sent; it has a status, and came in time as a whole."""
        encoded = bytearray()
        deadline = time.monotonic() + self._target.response_seconds
        try:
            while True:
                pdu = self._read(deadline - time.monotonic())
                if pdu.kind == pdus.RELEASE_RQ:
                    self._send(pdus.release_pdu(pdus.RELEASE_RP))
                    self._farewell = b""
                elif pdu.kind != pdus.P_DATA:
                    self._farewell = pdus.abort_pdu(_UNEXPECTED_PDU)
                if pdu.kind != pdus.P_DATA:
                    msg = f"{self._target.name} ended the association instead of answering"
                    raise PeerUnavailable(msg)
                for fragment in pdus.fragments(pdu.body):
                    encoded += fragment.data if fragment.is_command else b""
                    if len(encoded) > _LONGEST_RESPONSE:
                        raise ProtocolError("the response is too long")
                    if fragment.is_command and fragment.is_last:
                        response = dimse.decode_command(encoded)
                        if dimse.number(response, dimse.COMMAND_FIELD) != expected or (
                            dimse.number(response, dimse.RESPONDED_MESSAGE_ID) != self._message_id
                        ):
                            raise ProtocolError("answer to something else")
                        dimse.number(response, dimse.STATUS)
                        return response
        except ProtocolError as error:
            self._farewell = pdus.abort_pdu(error.reason)
            msg = f"{self._target.name} broke the protocol: {error}"
            raise PeerUnavailable(msg) from error

    def _read(self, seconds: float | None = None) -> pdus.Pdu:
        """Return the next PDU that is no A-ABORT; raise PeerUnavailable where none comes."""
        try:
            pdu = self._reader.read(self._target.response_seconds if seconds is None else seconds)
        except TimedOut as error:
            msg = f"{self._target.name} did not answer within {self._target.response_seconds:g} s"
            raise PeerUnavailable(msg) from error
        except ConnectionLost as error:
            self._farewell = b""
            msg = f"{self._target.name} ended the connection{f' ({error})' if str(error) else ''}"
            raise PeerUnavailable(msg) from error
        except ProtocolError as error:
            self._farewell = pdus.abort_pdu(error.reason)
            msg = f"{self._target.name} broke the protocol: {error}"
            raise PeerUnavailable(msg) from error
        if pdu.kind == pdus.ABORT:
            self._farewell = b""
            msg = f"{self._target.name} aborted the association"
            raise PeerUnavailable(msg)
        return pdu

    def _send(self, encoded: bytes) -> None:
        if self._transport is None:
            msg = "the association is not open"
            raise RuntimeError(msg)
        try:
            self._transport.send(encoded)
        except ConnectionLost as error:
            self._farewell = b""
            msg = f"{self._target.name} ended the connection or stopped reading"
            raise PeerUnavailable(msg) from error


def _connect(target: Target) -> Transport:
    """Return a connection to a peer, over which PDUs may be sent now; raise PeerUnavailable where there is none."""
    deadline = time.monotonic() + target.connect_seconds
    try:
        context = None if target.tls is None else client_context(target.tls)
        sock = socket.create_connection((target.host, target.port), target.connect_seconds)
    except SettingsError as error:  # a file may be away for a moment, while somebody renews it
        msg = f"{target.name} cannot be reached: {error}"
        raise PeerUnavailable(msg) from error
    except OSError as error:
        msg = f"{target.name} cannot be reached: {error.strerror or 'no connection in time'}"
        raise PeerUnavailable(msg) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None or target.tls is None:
        return PlainTransport(sock, target.response_seconds)
    try:
        transport = TlsTransport(sock, context, target.response_seconds, server_name=target.tls.server_name)
        try:
            transport.begin(max(0.001, deadline - time.monotonic()))
        except BaseException:
            transport.close()
            raise
    except (ConnectionLost, TimedOut) as error:
        msg = f"{target.name} did not finish the TLS handshake"
        raise PeerUnavailable(msg) from error
    except ssl.SSLError as error:
        msg = f"{target.name} cannot be reached: {why_refused(error)}"
        raise PeerUnavailable(msg) from error
    return transport


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

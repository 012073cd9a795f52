"""An association that we open; pynetdicom is the SCU, and what it meets comes out as an error of ours."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self, cast

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association as PynetdicomAssociation
from pynetdicom.dimse_messages import C_ECHO_RSP, C_STORE_RSP
from pynetdicom.pdu import A_ABORT_RQ, A_RELEASE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext, build_context

from config.errors import CxrnodeError, PeerUnavailable, RefusedByPeer, UnreadableInstance, document_under_way
from dicom_node.format.dicom_file import DicomFile
from dicom_node.format.sop_classes import VERIFICATION
from dicom_node.storage_scu import answers
from dicom_node.storage_scu.answers import StoreOutcome
from dicom_node.storage_scu.connection import connect
from dicom_node.storage_scu.target import Target
from dicom_node.upper_layer import pynetdicom_private
from dicom_node.upper_layer.presentation import ContextResult
from dicom_node.upper_layer.pynetdicom_private import BoundedSocket, RequestorAE

pynetdicom_private.configure()

Context = tuple[str, str]
"""SOP Class UID and transfer syntax UID; one syntax a presentation context, so that none is chosen for us."""

Handlers = Sequence[tuple[Any, ...]]

_OUR_MAX_PDU = 65536
_ANYWHERE = "127.0.0.1"
"""For pynetdicom, which would look the peer's name up although the connection is opened here."""
_RELEASE_SECONDS = 5.0
_SLOWEST_BYTES_PER_SECOND = 65536
"""A file may take its size at this rate before the time for the response begins: a 30 MB radiograph eight minutes."""
_FRAGMENT_HEADER_BYTES = 6
_NO_RESPONSE_FOLLOWS = frozenset({"Sta1", "Sta8", "Sta13"})
"""States: idle, the peer asks for the release, aborted."""


class Association:
    """An association we opened. Use it as a context manager: it is released at the end, aborted on an error.

    Parameters
    ----------
    target
        Whom to call.
    contexts
        The presentation contexts to propose, at most 128.
    handlers
        Handlers of pynetdicom's events, for services that answer by themselves.
    """

    def __init__(self, target: Target, contexts: Iterable[Context], handlers: Handlers = ()) -> None:
        self._target = target
        self._proposed = list(dict.fromkeys(contexts))
        self._handlers = [
            *handlers,
            (evt.EVT_PDU_RECV, self._note_pdu),
            (evt.EVT_DIMSE_RECV, self._note_message),
            (evt.EVT_FSM_TRANSITION, self._note_state),
        ]
        self._accepted: set[Context] = set()
        self._without_syntax: set[Context] = set()
        self._message_id = 0
        self._last_pdu: type[Any] | None = None
        self._responded: tuple[type[Any], int] | None = None
        self._association: PynetdicomAssociation | None = None

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

    @property
    def requestor(self) -> PynetdicomAssociation:
        """The open association of pynetdicom, for other services than C-STORE and C-ECHO."""
        if self._association is None:
            msg = "the association is not open"
            raise RuntimeError(msg)
        return self._association

    @property
    def _connection(self) -> BoundedSocket:
        return cast("BoundedSocket", self.requestor.dul.socket)

    def open(self) -> None:
        """Connect and negotiate.

        Raises
        ------
        PeerUnavailable, PeerBusy, RefusedByPeer
            There is no association. One in which the peer accepts no context counts as open, and is of no use.
        """
        target = self._target
        ae = RequestorAE(target.calling_ae, lambda: connect(target), target.response_seconds)
        self._association = ae.associate(
            _ANYWHERE, target.port, ae_title=target.called_ae, max_pdu=_OUR_MAX_PDU,
            contexts=[build_context(*context) for context in self._proposed], evt_handlers=self._handlers,
        )  # fmt: skip
        try:
            self._judge(self._association)
        except CxrnodeError:
            self.abort()
            raise

    def accepts(self, context: Context) -> bool:
        """Tell whether the peer takes this SOP class in this transfer syntax."""
        return context in self._accepted

    def accepts_class(self, sop_class_uid: str) -> bool:
        """Tell whether the peer takes this SOP class in a transfer syntax that was proposed."""
        return any(kind == sop_class_uid for kind, _ in self._accepted)

    def refuses_syntax(self, context: Context) -> bool:
        """Tell whether the peer takes this SOP class, but not in this transfer syntax (PS3.8 9.3.3.2, result 4)."""
        return context in self._without_syntax

    def store(self, file: DicomFile) -> StoreOutcome:
        """Send one file and wait for its status. Raises AnswerMissing where none comes."""
        target = self._target
        if file.context not in self._accepted:
            kind, syntax = (UID(uid).name for uid in file.context)
            msg = f"{target.name} does not accept {kind} in {syntax}"
            return StoreOutcome(file.path, file.instance_uid, None, msg, RefusedByPeer(msg))
        association = self.requestor
        number = self._next_message_id()
        with document_under_way():
            try:
                seconds = file.path.stat().st_size / _SLOWEST_BYTES_PER_SECOND
                association.dimse_timeout = target.response_seconds + seconds
                with file.consistent() as path:
                    response = association.send_c_store(path, number)
            except FileNotFoundError as error:
                msg = "the file is no longer there"
                raise UnreadableInstance(msg) from error
            except RuntimeError as error:
                raise self._ended() from error
            status = self._status(response, C_STORE_RSP)
        comment = "".join(filter(str.isprintable, str(response.get("ErrorComment") or ""))).strip()
        message = "stored" if status == 0 else answers.meaning(status, comment)
        refusal = answers.status_error(target.name, status)
        return StoreOutcome(file.path, file.instance_uid, status, message, refusal)

    def echo(self) -> int:
        """Send a C-ECHO and return its status."""
        if not self.accepts_class(VERIFICATION):
            msg = f"{self._target.name} does not offer Verification"
            raise RefusedByPeer(msg)
        try:
            response = self.requestor.send_c_echo(self._next_message_id())
        except RuntimeError as error:
            raise self._ended() from error
        return self._status(response, C_ECHO_RSP)

    def release(self) -> None:
        """Say goodbye; every outcome is known by now, so a peer that does not answer is no failure."""
        association = self._association
        if association is not None and association.is_established:
            association.acse_timeout = min(_RELEASE_SECONDS, self._target.response_seconds)
            association.release()
        self._close()

    def abort(self) -> None:
        """End the association at once."""
        if self._association is not None and self._association.is_established:
            self._association.abort()
        self._close()

    def _close(self) -> None:
        """Close the connection: after an abort pynetdicom leaves that to the garbage collector."""
        if self._association is None:
            return
        if self._connection.socket is not None:
            self._connection.socket.close()
        self._association.dul.kill_dul()

    def _judge(self, association: PynetdicomAssociation) -> None:
        """Read what the peer made of the request."""
        target = self._target
        if self._connection.failure is not None:
            raise self._connection.failure
        answer = _answer(association)
        if answer is not None and answer.result:
            reason = (answer.result, answer.result_source or 1, answer.diagnostic or 1)
            raise answers.rejection(target.name, target.calling_ae, target.called_ae, reason)
        refused = association.rejected_contexts
        if not association.is_established and not (refused and answer is not None and answer.result == 0):
            raise self._ended()
        self._accepted = {_named(context) for context in association.accepted_contexts}
        self._without_syntax = {
            _named(context) for context in refused if context.result == ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
        }
        if 0 < (association.acceptor.maximum_length or 0) <= _FRAGMENT_HEADER_BYTES:
            msg = f"{target.name} allows no PDU long enough to hold data"
            raise RefusedByPeer(msg)

    def _status(self, response: Dataset, expected: type[Any]) -> int:
        """Return the status of the response to the message just sent; raise PeerUnavailable where there is none."""
        if "Status" not in response:
            raise self._ended()
        if self._responded != (expected, self._message_id):
            msg = f"{self._target.name} broke the protocol: answer to something else"
            raise PeerUnavailable(msg)
        return int(response.Status)

    def _ended(self) -> PeerUnavailable:
        """Return why there is no answer."""
        words = f"gave no answer that can be read within {self._target.response_seconds:g} s"
        if self._last_pdu is A_ABORT_RQ:
            words = "aborted the association"
        elif self._last_pdu is A_RELEASE_RQ:
            words = "ended the association instead of answering"
        elif self._connection.end:
            words = self._connection.end
        return PeerUnavailable(f"{self._target.name} {words}")

    def _next_message_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def _note_pdu(self, event: evt.Event) -> None:
        self._last_pdu = type(event.pdu)

    def _note_state(self, event: evt.Event) -> None:
        """Wake up who waits for a response: there will be none (PS3.8 Table 9-10).

        A peer that asks for the release instead of answering is answered by an abort.
        """
        if event.next_state in _NO_RESPONSE_FOLLOWS:
            event.assoc.dimse.msg_queue.put((None, None))

    def _note_message(self, event: evt.Event) -> None:
        """Note what was responded to: pynetdicom takes any response for the one that is due."""
        cast("BoundedSocket", event.assoc.dul.socket).message_ended()
        number = event.message.command_set.get("MessageIDBeingRespondedTo")
        if number is not None:
            self._responded = (type(event.message), number)


def _answer(association: PynetdicomAssociation) -> A_ASSOCIATE | None:
    """Return the peer's answer to the request.

    pynetdicom does not see one that came, together with the end of the connection, before it looked; it waits still.
    """
    answer = association.acceptor.primitive
    while answer is None:
        waiting: object = association.dul.receive_pdu(wait=False)
        if waiting is None:
            return None
        answer = waiting if isinstance(waiting, A_ASSOCIATE) else None
    return answer


def _named(context: PresentationContext) -> Context:
    return str(context.abstract_syntax), str(context.transfer_syntax[0])

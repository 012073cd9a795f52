"""The DIMSE message that is arriving, and where its data set goes."""

import time
from dataclasses import dataclass
from typing import Protocol

from dicom_node.upper_layer.pdus import Fragment, ProtocolError
from dicom_node.upper_layer.transport import TimedOut

SLOWEST_BYTES_PER_SECOND = 8192
"""A message may take the idle time plus its size at this rate; a peer that drips bytes loses its association."""


class DataSetTooLong(ProtocolError):
    """The data set of a C-STORE went on beyond ``receive.max_dataset_bytes``; nobody waits for its end."""

    def __init__(self) -> None:
        super().__init__("data set is longer than receive.max_dataset_bytes")


@dataclass(frozen=True, slots=True)
class Answer:
    """A DIMSE status (PS3.7 Annex C, PS3.4 B.2.3) and a short comment, free of patient data, for the sender's log."""

    status: int
    comment: str = ""

    @property
    def is_refusal(self) -> bool:
        """Neither stored nor to be sent again later (PS3.4 B.2.3: A7xx is out of resources)."""
        return self.status != 0 and self.status >> 8 != 0xA7


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What a C-STORE-RQ says about the data set that follows; UIDs as the peer sent them, decoded, unchecked.

    ``abstract_syntax`` is the SOP class that was negotiated for its presentation context.
    """

    sop_class_uid: str
    abstract_syntax: str
    instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class EventReport:
    """What an N-EVENT-REPORT-RQ says about the data set that follows (PS3.7 10.3.1)."""

    event_type_id: int
    transfer_syntax_uid: str


class Sink(Protocol):
    """Takes one data set while it arrives."""

    def write(self, data: memoryview) -> None:
        """Take the next bytes; must not raise for what is wrong with them."""

    def finish(self) -> Answer:
        """Do with the whole data set what the answer promises, then return the answer."""

    def abandon(self) -> None:
        """Forget what came: the rest never will. Called after ``finish``, too."""

    def cut_off(self, reason: str) -> None:
        """Write down that its association was aborted, and why: called last, when the peer knows; must not raise."""


class Message:
    """The message that is arriving: one at a time (PS3.7 D.3.3.3: we negotiate no asynchronous operations)."""

    def __init__(self) -> None:
        self.under_way = False
        self._clear()

    def start(self, context_id: int, idle_seconds: float) -> None:
        """Begin a message on this presentation context; ``idle_seconds`` is its time before size counts."""
        self.under_way = True
        self.context_id = context_id
        self._deadline = time.monotonic() + idle_seconds

    def check(self, fragment: Fragment) -> None:
        """Raise when the fragment does not belong here, or comes too late."""
        if fragment.context_id != self.context_id or fragment.is_command == self.expects_data:
            raise ProtocolError("fragment does not belong to the message under way", reason=6)
        if time.monotonic() > self._deadline + self.received / SLOWEST_BYTES_PER_SECOND:
            raise TimedOut

    def abandon(self) -> None:
        """Be ready for the next message."""
        sink = self.sink
        self.under_way = False
        self._clear()
        if sink is not None:
            sink.abandon()

    def _clear(self) -> None:
        self.context_id = 0
        self.command = bytearray()
        self.parsed: dict[int, bytes] = {}
        self.expects_data = False
        self.sink: Sink | None = None
        self.longest = 0
        self.received = 0
        self._deadline = 0.0

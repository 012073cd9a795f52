"""What a kind of destination has to offer: carrying documents there, and answering whether it is there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from config.settings import Settings
from tracking.jobs.loop import Commit
from tracking.outbox.deliveries import StoredDelivery
from tracking.outbox.documents import DocumentRecord

LONGEST_WAIT_SECONDS = 10.0
"""For a connection, and for the answer to the question whether a destination is there: whoever asks is waiting."""


class Carrier(Protocol):
    """Carries documents to one destination; each thread has its own, so that it may keep a connection."""

    def send(self, delivery: StoredDelivery) -> Commit:
        """Send a document that is on disk; return what to write.

        Raises
        ------
        PeerUnavailable, PeerBusy
            It may work later.
        RefusedByPeer, DocumentRejected
            It will not.
        """


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What carriers have at hand besides their destination.

    ``rebuild`` builds a delivery's report once more, in another SR storage class, and returns its record.
    """

    settings: Settings
    rebuild: Callable[[StoredDelivery, str], DocumentRecord]


@dataclass(frozen=True, slots=True)
class DestinationKind:
    """One kind of destination.

    Parameters
    ----------
    carrier
        Makes the carrier to a destination of this kind, from its settings.
    echo
        Asks a destination whether it is there, with its settings and the AE title that this node has of itself, and
        returns the answer in words. Raises PeerUnavailable, PeerBusy or RefusedByPeer. It waits for
        ``LONGEST_WAIT_SECONDS`` at most.
    """

    carrier: Callable[[Any, Dispatch], Carrier]
    echo: Callable[[Any, str], str]

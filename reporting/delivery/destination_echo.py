"""Asking a destination whether it is there, as its kind is asked."""

import time
from dataclasses import dataclass

from config.destinations import Destination
from reporting.delivery.destinations import DESTINATIONS


@dataclass(frozen=True, slots=True)
class EchoAnswer:
    """What a destination answered: in words, and how long it took."""

    words: str
    seconds: float


def ask(destination: Destination, own_ae_title: str) -> EchoAnswer:
    """Ask a destination whether it is there.

    Parameters
    ----------
    destination
        Its settings.
    own_ae_title
        What this node is called where the destination's settings do not say otherwise.

    Raises
    ------
    PeerUnavailable, PeerBusy, RefusedByPeer
        It is not there, or refuses.
    """
    start = time.perf_counter()
    words = DESTINATIONS[type(destination)].echo(destination, own_ae_title)
    return EchoAnswer(words, time.perf_counter() - start)

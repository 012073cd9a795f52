"""Asking a destination whether it is there: C-ECHO, or a connection where an HL7 receiver listens."""

import time
from dataclasses import dataclass

from config.settings import DicomDestination, Hl7Destination
from dicom_node import send
from reporting.hl7 import mllp

LONGEST_WAIT_SECONDS = 10.0
"""For the connection, and for the answer: whoever asks is waiting."""


@dataclass(frozen=True, slots=True)
class EchoAnswer:
    """What a destination answered: in words, and how long it took."""

    words: str
    seconds: float


def ask(destination: DicomDestination | Hl7Destination, own_ae_title: str) -> EchoAnswer:
    """Ask a destination whether it is there, with the AE titles of a delivery.

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
    connect_seconds = min(destination.connect_seconds, LONGEST_WAIT_SECONDS)
    where = f"{destination.host}:{destination.port}"
    start = time.perf_counter()
    if isinstance(destination, Hl7Destination):
        mllp.probe(destination.host, destination.port, connect_seconds)
        return EchoAnswer(f"MLLP port {where} accepts connections", time.perf_counter() - start)
    target = send.Target(
        host=destination.host, port=destination.port, called_ae=destination.ae_title,
        calling_ae=destination.calling_ae_title or own_ae_title, connect_seconds=connect_seconds,
        response_seconds=min(destination.response_seconds, LONGEST_WAIT_SECONDS),
    )  # fmt: skip
    return EchoAnswer(f"{destination.ae_title} at {where} answers C-ECHO", send.echo(target).seconds)

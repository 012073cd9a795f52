"""Whom we call, and under which title."""

from dataclasses import dataclass

from config.certificates import ClientTls, client_tls
from config.destinations import DicomDestination


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


def target_of(destination: DicomDestination, own_ae_title: str) -> Target:
    """Return the peer that documents for a destination are stored to.

    ``own_ae_title`` is what this node is called where the destination's settings do not say otherwise.
    """
    return Target(
        host=destination.host,
        port=destination.port,
        called_ae=destination.ae_title,
        calling_ae=destination.calling_ae_title or own_ae_title,
        connect_seconds=destination.connect_seconds,
        response_seconds=destination.response_seconds,
        tls=client_tls(destination),
    )

"""What a peer's refusals and statuses mean for the sender: stored, busy or refused for good."""

from dataclasses import dataclass, field
from pathlib import Path

from config.errors import CxrnodeError, PeerBusy, RefusedByPeer

_WARNINGS = frozenset({0x0001, 0x0107, 0x0116})
_THERE_ALREADY = 0x0111
"""Duplicate SOP Instance (PS3.7 C.5.7). Our UIDs are derived from what they stand for, so what the peer has under
one is what an earlier attempt brought whose response was lost."""


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


def rejection(peer: str, calling_ae: str, called_ae: str, rejected: tuple[int, int, int]) -> CxrnodeError:
    """Turn result, source and reason of an A-ASSOCIATE-RJ into what to do about it (PS3.8 Table 9-21)."""
    result, source, reason = rejected
    words = {
        (1, 2): "application context not supported",
        (1, 3): f"calling AE title {calling_ae} not recognised: register it there",
        (1, 7): f"called AE title {called_ae} not recognised: check the destination's ae_title",
        (2, 2): "protocol version not supported",
        (3, 1): "temporary congestion",
        (3, 2): "local limit exceeded",
    }.get((source, reason), "no reason given")
    msg = f"{peer} rejected the association ({result},{source},{reason}): {words}"
    return PeerBusy(msg) if result == 2 or source == 3 else RefusedByPeer(msg)


def status_error(peer: str, status: int) -> CxrnodeError | None:
    """Judge a C-STORE status (PS3.4 B.2.3, PS3.7 Annex C): stored, busy or refused."""
    if status in {0, _THERE_ALREADY} or status >> 12 == 0xB or status in _WARNINGS:
        return None
    msg = f"{peer} answered C-STORE with status {status:04X}: {meaning(status, '')}"
    return PeerBusy(msg) if status >> 8 == 0xA7 or status == 0x0110 else RefusedByPeer(msg)


def meaning(status: int, comment: str) -> str:
    """Return a C-STORE status in words, with the peer's comment for whoever sends by hand; never for a log."""
    words = {
        0x0110: "processing failure",
        _THERE_ALREADY: "stored already",
        0x0117: "invalid SOP instance",
        0x0122: "SOP class not supported",
        0x0124: "not authorised",
    }.get(status)
    if words is None:
        by_range = {0xA7: "out of resources", 0xA9: "data set does not match SOP class"}
        words = by_range.get(status >> 8) or {0xB: "stored with a warning", 0xC: "cannot understand"}.get(status >> 12)
    return f"{words or 'failure'}{f' ({comment})' if comment else ''}"

"""Who may open an association: pure decisions over what the peer said and what the settings say.

An AE title is no authentication: anyone can claim one. A peer that is configured with addresses is therefore
bound to them, whether or not strangers are let in.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from config.settings import PeerSettings, Settings


@dataclass(frozen=True, slots=True)
class Caller:
    """What is known about a peer before its association is accepted (PS3.8 9.3.2)."""

    calling_ae: str
    called_ae: str
    address: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 Table 9-21), with our own words for the log."""

    result: int
    source: int
    diagnostic: int
    reason: str


CALLING_AE_UNKNOWN = Rejection(1, 1, 3, "calling AE title is not a known peer")
ADDRESS_NOT_ALLOWED = Rejection(1, 1, 3, "address does not belong to the calling AE title")
CALLED_AE_UNKNOWN = Rejection(1, 1, 7, "called AE title is not ours")
LIMIT_EXCEEDED = Rejection(2, 3, 2, "too many associations at once")


def decide(caller: Caller, open_associations: int, settings: Settings) -> Rejection | None:
    """Return why this association is refused, or None when it is welcome.

    ``open_associations`` counts those already established, without this one. The limit is judged last, so that a
    peer that would never be let in is told so, and is not invited to come back later.
    """
    receive = settings.receive
    if receive.check_called_ae_title and caller.called_ae.strip() != settings.node.ae_title.strip():
        return CALLED_AE_UNKNOWN
    namesakes = [peer for peer in settings.peers if peer.ae_title.strip() == caller.calling_ae.strip()]
    if not namesakes and receive.known_peers_only:
        return CALLING_AE_UNKNOWN
    if namesakes and not any(_may_call_from(peer, caller.address) for peer in namesakes):
        return ADDRESS_NOT_ALLOWED
    if open_associations >= receive.max_associations:
        return LIMIT_EXCEEDED
    return None


def _may_call_from(peer: PeerSettings, address: str) -> bool:
    """Tell whether the address lies in one of the peer's ranges; a peer without ranges may call from anywhere."""
    networks = peer.networks()
    if not networks:
        return True
    parsed = _plain_address(address)
    return parsed is not None and any(parsed in network for network in networks)


def _plain_address(address: str) -> IPv4Address | IPv6Address | None:
    """Parse an address as the socket gave it; an IPv4 address that came through IPv6 counts as IPv4."""
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed

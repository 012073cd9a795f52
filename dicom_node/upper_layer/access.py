"""Who may open an association: pure decisions over what the peer said and what the settings say.

An AE title is no authentication: anyone can claim one. A peer that is configured with addresses or names of a
certificate is therefore bound to them, whether or not strangers are let in.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from config.settings import PeerSettings, ReceiveSettings, Settings
from dicom_node.upper_layer.peer_certificate import normalised


@dataclass(frozen=True, slots=True)
class Caller:
    """What is known about a peer before its association is accepted (PS3.8 9.3.2).

    ``certificate_names`` are those of its verified certificate, as :mod:`.peer_certificate` has them.
    """

    calling_ae: str
    called_ae: str
    address: str
    certificate_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rejection:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 Table 9-21), our words for it, and what would change it."""

    result: int
    source: int
    diagnostic: int
    reason: str
    cure: str


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How many associations are established: all, those of strangers, those from the caller's address."""

    total: int = 0
    strangers: int = 0
    from_address: int = 0


CALLING_AE_UNKNOWN = Rejection(
    1, 1, 3, "calling AE title is not a known peer",
    "add a [[peers]] table with this ae_title, or set receive.known_peers_only = false",
)  # fmt: skip
ADDRESS_NOT_ALLOWED = Rejection(
    1, 1, 3, "address does not belong to the calling AE title", "add the address to addresses of this [[peers]] entry"
)
CERTIFICATE_NOT_ALLOWED = Rejection(
    1, 1, 3, "certificate does not belong to the calling AE title",
    "let it call over TLS, with a certificate that has one of the certificate_names of this [[peers]] entry",
)  # fmt: skip
CALLED_AE_UNKNOWN = Rejection(
    1, 1, 7, "called AE title is not ours",
    "let the sender call node.ae_title, or set receive.check_called_ae_title = false",
)  # fmt: skip
OTHER_VERSION = Rejection(
    1, 2, 2, "protocol version not supported", "none: the sender does not speak version 1 of the protocol"
)
OTHER_APPLICATION_CONTEXT = Rejection(
    1, 1, 2, "application context is missing or not DICOM's", "none: the sender has to propose 1.2.840.10008.3.1.1.1"
)
LIMIT_EXCEEDED = Rejection(
    2, 3, 2, "too many associations at once", "raise receive.max_associations, or let the sender use fewer"
)
RESERVED_FOR_PEERS = Rejection(
    2, 3, 2, "too many associations at once of callers that are no known peers",
    "add a [[peers]] table for this sender, or lower receive.reserved_for_known_peers",
)  # fmt: skip
ADDRESS_LIMIT_EXCEEDED = Rejection(
    2, 3, 2, "too many associations at once from one address",
    "add a [[peers]] table with addresses for this sender, or raise receive.max_associations_per_address",
)  # fmt: skip


def is_known_peer(caller: Caller, settings: Settings) -> bool:
    """Tell whether the caller is one of ``[[peers]]``, by AE title and, where it has them, address and certificate."""
    return any(
        _may_call_from(peer, caller.address) and _is_certified(peer, caller) for peer in _namesakes(caller, settings)
    )


def decide(caller: Caller, occupancy: Occupancy, settings: Settings) -> Rejection | None:
    """Return why this association is refused, or None when it is welcome.

    ``occupancy`` counts what is established, without this one. Limits are judged last, so that a peer that would never
    be let in is told so, and is not invited to come back later.
    """
    receive = settings.receive
    if receive.check_called_ae_title and caller.called_ae.strip() != settings.node.ae_title.strip():
        return CALLED_AE_UNKNOWN
    namesakes = _namesakes(caller, settings)
    if not namesakes and receive.known_peers_only:
        return CALLING_AE_UNKNOWN
    allowed = [peer for peer in namesakes if _may_call_from(peer, caller.address)]
    if namesakes and not allowed:
        return ADDRESS_NOT_ALLOWED
    allowed = [peer for peer in allowed if _is_certified(peer, caller)]
    if namesakes and not allowed:
        return CERTIFICATE_NOT_ALLOWED
    if occupancy.total >= receive.max_associations:
        return LIMIT_EXCEEDED
    if not allowed and occupancy.strangers >= receive.max_associations - _reserved(settings):
        return RESERVED_FOR_PEERS
    is_bound = any(peer.addresses or peer.certificate_names for peer in allowed)
    if not is_bound and occupancy.from_address >= _address_limit(receive):
        return ADDRESS_LIMIT_EXCEEDED
    return None


def _namesakes(caller: Caller, settings: Settings) -> list[PeerSettings]:
    return [peer for peer in settings.peers if peer.ae_title.strip() == caller.calling_ae.strip()]


def _reserved(settings: Settings) -> int:
    """Return how many associations are kept for known peers: none without peers, and never all."""
    receive = settings.receive
    return min(receive.reserved_for_known_peers, receive.max_associations - 1) if settings.peers else 0


def _address_limit(receive: ReceiveSettings) -> int:
    return min(receive.max_associations_per_address, receive.max_associations)


def _may_call_from(peer: PeerSettings, address: str) -> bool:
    """Tell whether the address lies in one of the peer's ranges; a peer without ranges may call from anywhere."""
    networks = peer.networks()
    if not networks:
        return True
    parsed = _plain_address(address)
    return parsed is not None and any(parsed in network for network in networks)


def _is_certified(peer: PeerSettings, caller: Caller) -> bool:
    """Tell whether the caller's certificate has one of the peer's names; a peer without names needs none."""
    names = {normalised(name) for name in peer.certificate_names}
    return not names or not names.isdisjoint(caller.certificate_names)


def _plain_address(address: str) -> IPv4Address | IPv6Address | None:
    """Parse an address as the socket gave it; an IPv4 address that came through IPv6 counts as IPv4."""
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed

"""Slots: how many connections and associations there may be at once, in all and from one address.

A connection takes a slot when it is accepted and becomes an association when its request is. Connections that have
not asked yet cost little and may be many, so where there is no room the one that has kept silent longest, of the
address that keeps most of them, makes room for a new one.
"""

import threading
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from config.settings import Settings
from dicom_node.upper_layer import access
from dicom_node.upper_layer.access import Caller, Occupancy, Rejection

SPARE_CONNECTIONS = 16
"""Connections beyond the limit that may still ask for an association and be told properly that it is too many."""

MAX_ASKING_PER_ADDRESS = 16
"""Connections of one address that have not been accepted as associations; a sender has one or a few for a moment."""

C = TypeVar("C", bound=Hashable)


@dataclass(slots=True)
class _Slot:
    address: str
    is_association: bool = False
    is_known_peer: bool = False
    is_giving_way: bool = False


@dataclass(frozen=True, slots=True)
class Entry(Generic[C]):
    """Whether a connection has a slot now, and the connection that has to give way for it."""

    has_slot: bool
    gives_way: C | None = None


class Slots(Generic[C]):
    """The connections of a receiver; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._most = settings.receive.max_associations + SPARE_CONNECTIONS
        self._slots: dict[C, _Slot] = {}
        self._total = self._strangers = 0
        self._associations: Counter[str] = Counter()
        self._asking: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, connection: C, address: str) -> Entry[C]:
        """Give a new connection a slot, if there is one."""
        with self._lock:
            asking, total = self._asking[address], len(self._slots)
            if asking >= 2 * MAX_ASKING_PER_ADDRESS or total >= self._most + SPARE_CONNECTIONS:
                return Entry(has_slot=False)  # those that were told to give way have not gone yet
            gives_way = None
            if asking >= MAX_ASKING_PER_ADDRESS or total >= self._most:
                crowding = address if asking >= MAX_ASKING_PER_ADDRESS else self._most_asking()
                gives_way = self._longest_silent(crowding)
                if gives_way is None:
                    return Entry(has_slot=False)
            if gives_way is not None:
                self._slots[gives_way].is_giving_way = True
            self._slots[connection] = _Slot(address)
            self._asking[address] += 1
            return Entry(has_slot=True, gives_way=gives_way)

    def admit(self, connection: C, caller: Caller) -> Rejection | None:
        """Count the connection as an association, or return why not."""
        with self._lock:
            occupancy = Occupancy(self._total, self._strangers, self._associations[caller.address])
            rejection = access.decide(caller, occupancy, self._settings)
            if rejection is None:
                slot = self._slots[connection]
                slot.is_association = True
                slot.is_known_peer = access.is_known_peer(caller, self._settings)
                self._total += 1
                self._strangers += not slot.is_known_peer
                self._associations[slot.address] += 1
                _count_down(self._asking, slot.address)
            return rejection

    def leave(self, connection: C) -> None:
        """Give the slot back; a connection that has none may leave, too."""
        with self._lock:
            slot = self._slots.pop(connection, None)
            if slot is None:
                return
            if slot.is_association:
                self._total -= 1
                self._strangers -= not slot.is_known_peer
                _count_down(self._associations, slot.address)
            else:
                _count_down(self._asking, slot.address)

    def connections(self) -> list[C]:
        """Return who has a slot, in order of arrival."""
        with self._lock:
            return list(self._slots)

    def _most_asking(self) -> str | None:
        return max(self._asking, key=self._asking.__getitem__, default=None)

    def _longest_silent(self, address: str | None) -> C | None:
        """Return the oldest connection of an address that has not been accepted and was not told to go."""
        for connection, slot in self._slots.items():
            if slot.address == address and not (slot.is_association or slot.is_giving_way):
                return connection
        return None


def _count_down(counter: Counter[str], address: str) -> None:
    """Count one less, and forget addresses that have none: there may be very many."""
    counter[address] -= 1
    if counter[address] <= 0:
        del counter[address]

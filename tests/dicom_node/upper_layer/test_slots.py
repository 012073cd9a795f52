"""Slots for connections and associations."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from config.settings import Settings
from dicom_node.upper_layer.access import ADDRESS_LIMIT_EXCEEDED, LIMIT_EXCEEDED, Caller
from dicom_node.upper_layer.slots import MAX_ASKING_PER_ADDRESS, SPARE_CONNECTIONS, Slots

PACS = {"name": "pacs", "ae_title": "PACS", "addresses": ["10.0.0.1"]}


def caller(address: str, title: str = "ANYONE") -> Caller:
    return Caller(title, "CXRNODE", address)


def test_one_address_cannot_have_all_associations() -> None:
    slots: Slots[int] = Slots(Settings())
    refused = []
    for number in range(32):
        slots.enter(number, "10.0.0.9")
        refused.append(slots.admit(number, caller("10.0.0.9")))
        if refused[-1] is not None:
            slots.leave(number)
    assert Counter(refused) == {None: 16, ADDRESS_LIMIT_EXCEEDED: 16}
    slots.enter(100, "10.0.0.8")
    assert slots.admit(100, caller("10.0.0.8")) is None


def test_a_known_peer_gets_in_when_strangers_have_all_they_may_have() -> None:
    slots: Slots[int] = Slots(Settings(peers=[PACS]))
    for number in range(100):
        address = f"10.0.1.{number}"
        slots.enter(number, address)
        if slots.admit(number, caller(address)) is not None:
            slots.leave(number)
    assert len(slots.connections()) == 24
    for number in range(200, 208):
        assert slots.enter(number, "10.0.0.1").has_slot
        assert slots.admit(number, caller("10.0.0.1", "PACS")) is None
    assert slots.enter(300, "10.0.0.1").has_slot
    assert slots.admit(300, caller("10.0.0.1", "PACS")) is LIMIT_EXCEEDED


def test_the_address_with_most_silent_connections_makes_room() -> None:
    slots: Slots[int] = Slots(Settings(receive={"max_associations": 4}))
    for number in range(12):
        assert slots.enter(number, "10.0.0.9").gives_way is None
    for number in range(20, 28):
        assert slots.enter(number, "10.0.0.7").gives_way is None
    assert slots.enter(30, "10.0.0.1").gives_way == 0
    assert slots.enter(31, "10.0.0.1").gives_way == 1


def test_many_silent_connections_of_one_address_cost_only_its_own() -> None:
    slots: Slots[int] = Slots(Settings())
    slots.enter(-1, "10.0.0.1")
    for number in range(MAX_ASKING_PER_ADDRESS):
        assert slots.enter(number, "10.0.0.9").gives_way is None
    for number in range(100, 100 + MAX_ASKING_PER_ADDRESS):
        assert slots.enter(number, "10.0.0.9").gives_way == number - 100
    assert not slots.enter(200, "10.0.0.9").has_slot


def test_a_slot_is_given_back_once() -> None:
    slots: Slots[int] = Slots(Settings(receive={"max_associations": 1}))
    slots.enter(1, "10.0.0.1")
    assert slots.admit(1, caller("10.0.0.1")) is None
    slots.leave(1)
    slots.leave(1)
    slots.enter(2, "10.0.0.1")
    assert slots.admit(2, caller("10.0.0.1")) is None


@given(st.lists(st.tuples(st.sampled_from(["enter", "admit", "leave"]), st.integers(0, 60)), max_size=300))
def test_whatever_comes_and_goes_the_limits_hold(steps: list[tuple[str, int]]) -> None:
    slots: Slots[int] = Slots(Settings(receive={"max_associations": 5, "max_associations_per_address": 2}))
    associations: set[int] = set()
    for step, number in steps:
        here = set(slots.connections())
        address = f"10.0.0.{number % 4}"
        if step == "enter" and number not in here:
            entry = slots.enter(number, address)
            assert entry.gives_way is None or entry.gives_way in here - associations
        elif step == "admit" and number in here - associations:
            if slots.admit(number, caller(address)) is None:
                associations.add(number)
        elif step == "leave":
            slots.leave(number)
            associations.discard(number)
        assert len(associations) <= 5
        assert max(Counter(entry % 4 for entry in associations).values(), default=0) <= 2
        assert len(slots.connections()) <= 5 + 2 * SPARE_CONNECTIONS
    for number in range(61):
        slots.leave(number)
    assert (slots._total, slots._strangers, +slots._asking, +slots._associations) == (0, 0, Counter(), Counter())

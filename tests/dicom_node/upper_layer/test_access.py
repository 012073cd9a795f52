"""Who may open an association."""

import pytest

from config.settings import Settings
from dicom_node.upper_layer.access import (
    ADDRESS_LIMIT_EXCEEDED,
    ADDRESS_NOT_ALLOWED,
    CALLED_AE_UNKNOWN,
    CALLING_AE_UNKNOWN,
    LIMIT_EXCEEDED,
    RESERVED_FOR_PEERS,
    Caller,
    Occupancy,
    Rejection,
    decide,
)

PACS = {"name": "pacs", "ae_title": "PACS", "addresses": ["10.1.0.0/16", "2001:db8::/32"]}
ROAMER = {"name": "roamer", "ae_title": "ROAMER"}


def settings(**receive: object) -> Settings:
    return Settings(peers=[PACS, ROAMER], receive=receive)


@pytest.mark.parametrize(
    ("caller", "receive", "expected"),
    [
        (Caller("ANYONE", "WHATEVER", "192.0.2.1"), {}, None),
        (Caller("ANYONE", "WHATEVER", "192.0.2.1"), {"check_called_ae_title": True}, CALLED_AE_UNKNOWN),
        (Caller("ANYONE", " CXRNODE ", "192.0.2.1"), {"check_called_ae_title": True}, None),
        (Caller("ANYONE", "CXRNODE", "192.0.2.1"), {"known_peers_only": True}, CALLING_AE_UNKNOWN),
        (Caller("PACS", "CXRNODE", "10.1.2.3"), {"known_peers_only": True}, None),
        (Caller("PACS", "CXRNODE", "::ffff:10.1.2.3"), {"known_peers_only": True}, None),
        (Caller("PACS", "CXRNODE", "2001:db8::5%eth0"), {"known_peers_only": True}, None),
        (Caller("PACS", "CXRNODE", "10.2.2.3"), {"known_peers_only": True}, ADDRESS_NOT_ALLOWED),
        (Caller("PACS", "CXRNODE", "10.2.2.3"), {}, ADDRESS_NOT_ALLOWED),
        (Caller("PACS", "CXRNODE", "no address"), {}, ADDRESS_NOT_ALLOWED),
        (Caller("ROAMER", "CXRNODE", "203.0.113.9"), {"known_peers_only": True}, None),
        (Caller("pacs", "CXRNODE", "10.1.2.3"), {"known_peers_only": True}, CALLING_AE_UNKNOWN),
    ],
)
def test_a_caller_is_judged_by_titles_and_address(
    caller: Caller, receive: dict[str, object], expected: Rejection | None
) -> None:
    assert decide(caller, Occupancy(), settings(**receive)) == expected


def test_the_limit_counts_established_associations() -> None:
    caller = Caller("ROAMER", "CXRNODE", "192.0.2.1")
    assert decide(caller, Occupancy(total=2), settings(max_associations=3)) is None
    assert decide(caller, Occupancy(total=3), settings(max_associations=3)) == LIMIT_EXCEEDED


def test_a_stranger_is_told_so_even_when_it_is_crowded() -> None:
    caller = Caller("ANYONE", "CXRNODE", "192.0.2.1")
    assert decide(caller, Occupancy(99, 99, 99), settings(known_peers_only=True)) == CALLING_AE_UNKNOWN


@pytest.mark.parametrize(
    ("title", "occupancy", "receive", "expected"),
    [
        ("ANYONE", Occupancy(total=23, strangers=23), {}, None),
        ("ANYONE", Occupancy(total=24, strangers=24), {}, RESERVED_FOR_PEERS),
        ("ANYONE", Occupancy(total=24, strangers=23), {}, None),
        ("ANYONE", Occupancy(total=24, strangers=24), {"reserved_for_known_peers": 0}, None),
        ("ANYONE", Occupancy(), {"max_associations": 1}, None),
        ("ROAMER", Occupancy(total=31, strangers=24), {}, None),
        ("ROAMER", Occupancy(total=32, strangers=24), {}, LIMIT_EXCEEDED),
        ("ROAMER", Occupancy(total=16, from_address=16), {}, ADDRESS_LIMIT_EXCEEDED),
        ("ANYONE", Occupancy(total=16, strangers=16, from_address=16), {}, ADDRESS_LIMIT_EXCEEDED),
        ("PACS", Occupancy(total=31, strangers=24, from_address=31), {}, None),
    ],
)
def test_slots_are_kept_for_known_peers_and_divided_by_address(
    title: str, occupancy: Occupancy, receive: dict[str, object], expected: Rejection | None
) -> None:
    assert decide(Caller(title, "CXRNODE", "10.1.2.3"), occupancy, settings(**receive)) == expected


def test_nothing_is_kept_where_there_are_no_peers() -> None:
    occupancy = Occupancy(total=31, strangers=31)
    assert decide(Caller("ANYONE", "CXRNODE", "10.1.2.3"), occupancy, Settings()) is None


def test_the_codes_are_those_of_the_standard() -> None:
    codes = [(r.result, r.source, r.diagnostic) for r in (CALLING_AE_UNKNOWN, CALLED_AE_UNKNOWN, LIMIT_EXCEEDED)]
    assert codes == [(1, 1, 3), (1, 1, 7), (2, 3, 2)]

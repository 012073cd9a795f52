"""Reading association requests: what they say, and how little of a hostile one is looked at."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

from dicom_node.upper_layer import association_request
from dicom_node.upper_layer.association_request import (
    APPLICATION_CONTEXT,
    FIXED_BYTES,
    MAX_CONTEXTS,
    MAX_ITEMS,
    MAX_SYNTAXES,
    MAX_USER_ITEMS,
    ProposedContext,
    parse_request,
    read_fixed_fields,
)
from dicom_node.upper_layer.pdus import MAX_CONTROL_PDU_BYTES, ProtocolError
from tests.dicom_node.requests import COMPUTED_RADIOGRAPHY, EXPLICIT, body, context, item


def test_the_fixed_fields_need_nothing_of_the_rest() -> None:
    fixed = read_fixed_fields(body(called=b"CXRNODE", calling=b" PACS\0\0\0 x")[:FIXED_BYTES] + b"\xff" * 999)
    assert (fixed.called_ae, fixed.calling_ae, fixed.speaks_version_1) == ("CXRNODE", "PACS", True)


@pytest.mark.parametrize(("version", "speaks"), [(1, True), (3, True), (0, False), (2, False), (0xFFFF, True)])
def test_only_bit_0_of_the_protocol_version_counts(version: int, speaks: bool) -> None:
    assert read_fixed_fields(body(version=version)).speaks_version_1 is speaks


def test_a_request_shorter_than_its_fixed_fields_is_invalid() -> None:
    with pytest.raises(ProtocolError, match="too short"):
        read_fixed_fields(bytes(FIXED_BYTES - 1))


def test_what_pynetdicom_proposes_is_read() -> None:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = APPLICATION_CONTEXT.decode()
    primitive.calling_ae_title, primitive.called_ae_title = "MODALITY", "CXRNODE"
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 32768, "1.2.3"
    primitive.user_information = [length, implementation]
    proposed = build_context(COMPUTED_RADIOGRAPHY.decode(), [EXPLICIT.decode(), "1.2.840.10008.1.2"])
    proposed.context_id = 7
    primitive.presentation_context_definition_list = [proposed]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    found = parse_request(pdu.encode()[6:])
    assert found.application_context == APPLICATION_CONTEXT
    assert found.contexts == (ProposedContext(7, COMPUTED_RADIOGRAPHY, (EXPLICIT, b"1.2.840.10008.1.2")),)
    assert found.max_pdu_bytes == 32768


@pytest.mark.fault(
    "a request has items that the Standard does not know",
    promise="ignored, as PS3.8 wants it",
    area="content",
)
def test_unknown_items_are_ignored_wherever_they_stand() -> None:
    odd = item(0x99, b"whatever")
    proposed = item(0x20, b"\x05\0\0\0" + odd + item(0x30, COMPUTED_RADIOGRAPHY) + odd + item(0x40, EXPLICIT) + odd)
    found = parse_request(body(odd, proposed, item(0x50, odd + item(0x51, b"\0\0\x10\0")), odd))
    assert found.contexts == (ProposedContext(5, COMPUTED_RADIOGRAPHY, (EXPLICIT,)),)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ((context(2, COMPUTED_RADIOGRAPHY, EXPLICIT),), "even"),
        ((context(1, COMPUTED_RADIOGRAPHY, EXPLICIT),) * 2, "repeated"),
        ((item(0x20, b"\x01"),), "missing"),
        ((b"\x20\x00\xff\xff",), "longer"),
        ((item(0x20, b"\x01\0\0\0\x30"),), "cut off"),
        ((item(0x99, b""),) * MAX_ITEMS, "too many"),
    ],
)
@pytest.mark.fault(
    "lengths within a request do not add up",
    promise="refused",
    area="content",
)
def test_what_does_not_add_up_is_invalid(items: tuple[bytes, ...], words: str) -> None:
    with pytest.raises(ProtocolError, match=words) as caught:
        parse_request(body(*items))
    assert caught.value.reason == 6


@pytest.mark.fault(
    "a request lists hundreds of thousands of transfer syntaxes",
    promise="no more are looked at than DICOM has",
    area="stranger",
)
def test_more_syntaxes_than_there_are_in_dicom_are_not_looked_at() -> None:
    syntaxes = [b"1.2.%d" % number for number in range(MAX_SYNTAXES + 100)]
    [found] = parse_request(body(context(1, COMPUTED_RADIOGRAPHY, *syntaxes))).contexts
    assert found.transfer_syntaxes == tuple(syntaxes[:MAX_SYNTAXES])


def items_looked_at(request: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many items are looked at while a request is parsed, whatever comes of it."""
    looked_at = 0
    items = association_request._items

    def count(encoded: bytes) -> Iterator[tuple[int, bytes]]:
        nonlocal looked_at
        for found in items(encoded):
            looked_at += 1
            yield found

    with monkeypatch.context() as patch:
        patch.setattr(association_request, "_items", count)
        with contextlib.suppress(ProtocolError):
            parse_request(request)
    return looked_at


MOST_LOOKED_AT = MAX_ITEMS + 1 + MAX_CONTEXTS * (MAX_SYNTAXES + 2) + MAX_USER_ITEMS + 1
FILLINGS = {
    "one-character syntaxes": context(1, COMPUTED_RADIOGRAPHY, *[b"1"] * 12000),
    "many contexts of many syntaxes": b"".join(context(2 * n + 1, b"1.%d" % n, *[b"1"] * 400) for n in range(128)),
    "empty items": item(0x99, b"") * 60000,
    "user information": item(0x50, item(0x99, b"") * 16000) * 4,
    "nothing but zeros": bytes(250000),
    "nothing but ones": b"\xff" * 250000,
    "application contexts": item(0x10, APPLICATION_CONTEXT) * 10000,
}


@pytest.mark.parametrize("name", FILLINGS)
def test_no_long_request_has_more_than_so_many_items_looked_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = body(FILLINGS[name])[:MAX_CONTROL_PDU_BYTES]
    assert len(request) > 60_000
    assert items_looked_at(request, monkeypatch) <= MOST_LOOKED_AT


@given(st.lists(st.tuples(st.sampled_from([0x10, 0x20, 0x30, 0x40, 0x50, 0x51, 0x99]), st.binary(max_size=60))))
def test_items_of_any_content_are_read_or_refused(items: list[tuple[int, bytes]]) -> None:
    try:
        found = parse_request(body(*(item(kind, content) for kind, content in items)))
    except ProtocolError:
        return
    assert len({one.context_id for one in found.contexts}) == len(found.contexts) <= MAX_CONTEXTS


@given(st.binary(max_size=400))
@pytest.mark.fault(
    "an association request of any bytes",
    promise="read or refused, and nothing else",
    area="content",
)
def test_bytes_of_any_kind_are_read_or_refused(noise: bytes) -> None:
    for encoded in (noise, body()[:FIXED_BYTES] + noise, body(context(1, COMPUTED_RADIOGRAPHY, EXPLICIT)) + noise):
        try:
            fixed = read_fixed_fields(encoded)
            parse_request(encoded)
        except ProtocolError:
            continue
        assert all(text.isascii() and text.isprintable() for text in (fixed.called_ae, fixed.calling_ae))

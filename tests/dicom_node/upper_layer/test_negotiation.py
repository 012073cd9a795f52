"""Negotiating presentation contexts: what is accepted, and an answer that others can read."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC

from dicom_node.format.sop_classes import every_storage_class
from dicom_node.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.upper_layer.association_request import parse_request
from dicom_node.upper_layer.negotiation import Negotiated, NegotiationMemory, negotiate
from dicom_node.upper_layer.presentation import AcceptedContext
from dicom_node.upper_layer.refusal_causes import MOST_NAMED, OTHER_CLASSES
from tests.dicom_node.requests import COMPUTED_RADIOGRAPHY, EXPLICIT, body, context

IMPLICIT = b"1.2.840.10008.1.2"
JPEG_2000 = b"1.2.840.10008.1.2.4.90"
SECONDARY_CAPTURE = b"1.2.840.10008.5.1.4.1.1.7"
SUPPORTED = {b"1.2.840.10008.1.1": (EXPLICIT, IMPLICIT), COMPUTED_RADIOGRAPHY: (EXPLICIT, IMPLICIT, JPEG_2000)}


def answer_to(*items: bytes, max_pdu_bytes: int = 16384) -> Negotiated:
    encoded = body(*items, max_pdu_bytes=max_pdu_bytes)
    return negotiate(encoded, parse_request(encoded), SUPPORTED, 131072)


def read_by_pynetdicom(negotiated: Negotiated) -> A_ASSOCIATE_AC:
    pdu = A_ASSOCIATE_AC()
    pdu.decode(negotiated.encoded_answer)
    return pdu


def test_the_acceptors_order_decides_over_the_transfer_syntax() -> None:
    negotiated = answer_to(context(1, COMPUTED_RADIOGRAPHY, JPEG_2000, IMPLICIT, EXPLICIT))
    assert negotiated.accepted == {1: AcceptedContext(COMPUTED_RADIOGRAPHY.decode(), EXPLICIT.decode())}
    assert negotiated.refused == ()


def test_pynetdicom_reads_the_answer() -> None:
    negotiated = answer_to(
        context(1, COMPUTED_RADIOGRAPHY, JPEG_2000), context(3, SECONDARY_CAPTURE, EXPLICIT),
        context(251, COMPUTED_RADIOGRAPHY, b"1.2.3.4"), context(255, b""), max_pdu_bytes=65536,
    )  # fmt: skip
    answer = read_by_pynetdicom(negotiated)
    assert [(entry.context_id, entry.result) for entry in answer.presentation_context] == [
        (1, 0), (3, 3), (251, 4), (255, 3),
    ]  # fmt: skip
    assert answer.presentation_context[0].transfer_syntax == JPEG_2000.decode()
    assert (answer.called_ae_title.strip(), answer.calling_ae_title.strip()) == ("CXRNODE", "MODALITY")
    assert answer.application_context_name == "1.2.840.10008.3.1.1.1"
    assert answer.user_information.maximum_length == 131072
    assert answer.user_information.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert answer.user_information.implementation_version_name == IMPLEMENTATION_VERSION_NAME
    assert negotiated.peer_max_pdu_bytes == 65536


def test_a_refused_class_names_the_setting_that_would_take_it() -> None:
    [cause] = answer_to(context(3, SECONDARY_CAPTURE, EXPLICIT)).refused
    assert (cause.reason, cause.sop_class_uid) == ("SOP class not accepted", SECONDARY_CAPTURE.decode())
    assert cause.cure == 'add "SC" to receive.accept'


def test_a_refused_syntax_is_named() -> None:
    [cause] = answer_to(context(3, COMPUTED_RADIOGRAPHY, b"1.2.840.10008.1.2.4.51")).refused
    assert cause.transfer_syntax_uid == "1.2.840.10008.1.2.4.51"
    assert "cxrnode doctor" in cause.cure


def test_what_is_no_uid_is_not_repeated() -> None:
    refused = answer_to(context(3, b"SECRET^NAME", EXPLICIT), context(5, COMPUTED_RADIOGRAPHY, b"DOE^JANE")).refused
    assert "SECRET" not in str(refused)
    assert "DOE" not in str(refused)
    assert {cause.reason for cause in refused} == {"abstract syntax is no UID", "transfer syntax not accepted"}


def test_of_a_toolkits_whole_list_only_what_a_setting_names_is_kept_apart() -> None:
    classes = islice(every_storage_class(), 120)
    refused = answer_to(*(context(2 * n + 1, uid.encode(), EXPLICIT) for n, uid in enumerate(classes))).refused
    assert SECONDARY_CAPTURE.decode() in {cause.sop_class_uid for cause in refused}
    assert refused[-1] == OTHER_CLASSES
    assert len(refused) <= MOST_NAMED + 1


@given(st.lists(st.tuples(st.binary(max_size=70), st.lists(st.binary(max_size=70), max_size=3)), max_size=128))
def test_every_context_gets_one_result_and_only_what_is_supported_is_accepted(
    proposed: list[tuple[bytes, list[bytes]]],
) -> None:
    negotiated = answer_to(
        *(context(2 * n + 1, abstract, *syntaxes) for n, (abstract, syntaxes) in enumerate(proposed))
    )
    answered = read_by_pynetdicom(negotiated).presentation_context
    assert [entry.context_id for entry in answered] == [2 * n + 1 for n in range(len(proposed))]
    for context_id, accepted in negotiated.accepted.items():
        assert accepted.transfer_syntax.encode() in SUPPORTED[accepted.abstract_syntax.encode()]
        assert proposed[context_id // 2][0].rstrip(b"\0 ") == accepted.abstract_syntax.encode()


def test_the_memory_is_bounded_in_number_and_length() -> None:
    memory, negotiated = NegotiationMemory(), answer_to()
    for number in range(100):
        memory.remember(b"%d" % number, negotiated)
    memory.remember(bytes(70000), negotiated)
    assert sum(memory.recall(b"%d" % number) is not None for number in range(100)) == 64
    assert memory.recall(bytes(70000)) is None

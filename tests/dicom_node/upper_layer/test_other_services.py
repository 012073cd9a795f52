"""DIMSE services other than C-STORE."""

import pytest

from dicom_node.upper_layer import dimse
from dicom_node.upper_layer.other_services import respond
from dicom_node.upper_layer.pdus import ProtocolError


def command(field: int) -> dict[int, bytes]:
    return {dimse.COMMAND_FIELD: field.to_bytes(2, "little"), dimse.MESSAGE_ID: b"\x07\0"}


@pytest.mark.parametrize("field", sorted(dimse.OTHER_REQUESTS))
@pytest.mark.fault(
    "a DIMSE service is asked for that is not offered",
    promise="answered 0211 (unrecognized operation)",
    area="content",
)
def test_a_service_that_is_not_offered_is_an_unrecognized_operation(field: int) -> None:
    response = respond(command(field))
    assert response is not None
    assert response[dimse.COMMAND_FIELD] == field | 0x8000
    assert (response[dimse.STATUS], response[dimse.RESPONDED_MESSAGE_ID]) == (0x0211, 7)


def test_an_echo_succeeds_with_and_without_its_sop_class() -> None:
    named = respond(command(dimse.C_ECHO_RQ) | {dimse.AFFECTED_SOP_CLASS: b"1.2.840.10008.1.1"})
    bare = respond(command(dimse.C_ECHO_RQ))
    assert named is not None
    assert bare is not None
    assert (named[dimse.STATUS], bare[dimse.STATUS]) == (0, 0)
    assert named[dimse.AFFECTED_SOP_CLASS] == b"1.2.840.10008.1.1"
    assert dimse.AFFECTED_SOP_CLASS not in bare


def test_a_cancel_gets_no_response() -> None:
    assert respond(command(dimse.C_CANCEL_RQ)) is None


@pytest.mark.parametrize("field", [0x8001, 0x8030, 0x8110, 0x0002, 0x0123, 0x0000])
def test_a_response_to_nothing_and_an_unknown_command_break_the_protocol(field: int) -> None:
    with pytest.raises(ProtocolError):
        respond(command(field))


def test_a_value_too_long_for_a_uid_is_not_sent_back() -> None:
    response = respond(command(0x0110) | {dimse.AFFECTED_SOP_CLASS: b"1" * 60000})
    assert response is not None
    assert dimse.AFFECTED_SOP_CLASS not in response

"""DIMSE services other than C-STORE, as answered where only Verification and Storage are offered (PS3.7 9, 10)."""

from collections.abc import Mapping

from dicom_node.upper_layer import dimse
from dicom_node.upper_layer.pdus import ProtocolError

SUCCESS = 0x0000
UNRECOGNIZED_OPERATION = 0x0211
"""PS3.7 C.5.24."""

MAX_UID_BYTES = 64


def respond(command: Mapping[int, bytes]) -> dict[int, int | bytes] | None:
    """Return the response to a command set, or None for a C-CANCEL-RQ, which gets none (PS3.7 9.3.2.3).

    C-ECHO succeeds, also without its SOP class. Other services get 0211. A response, to which there was no request,
    and a command that does not exist raise ProtocolError.
    """
    field = dimse.number(command, dimse.COMMAND_FIELD)
    if field == dimse.C_CANCEL_RQ:
        return None
    if field == dimse.C_ECHO_RQ:
        return response(command, SUCCESS)
    if field in dimse.OTHER_REQUESTS:
        return response(command, UNRECOGNIZED_OPERATION)
    if field & dimse.RESPONSE:
        raise ProtocolError("response to a request that was never made")
    raise ProtocolError("command field does not exist")


def response(command: Mapping[int, bytes], status: int, comment: str = "") -> dict[int, int | bytes]:
    """Return a response without data set: what the request named, its Message ID, the status (PS3.7 9.3, 10.3)."""
    answer: dict[int, int | bytes] = {
        dimse.COMMAND_FIELD: dimse.number(command, dimse.COMMAND_FIELD) | dimse.RESPONSE,
        dimse.RESPONDED_MESSAGE_ID: dimse.number(command, dimse.MESSAGE_ID),
        dimse.DATA_SET_TYPE: dimse.NO_DATA_SET,
        dimse.STATUS: status,
    }
    for tag in (dimse.AFFECTED_SOP_CLASS, dimse.AFFECTED_SOP_INSTANCE, dimse.EVENT_TYPE_ID):
        if 0 < len(value := command.get(tag, b"")) <= MAX_UID_BYTES:
            answer[tag] = value
    if comment:
        answer[dimse.ERROR_COMMENT] = comment[:64].encode("ascii", "replace")
    return answer

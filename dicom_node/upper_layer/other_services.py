"""DIMSE services other than C-STORE, as answered where only Verification and Storage are offered (PS3.7 9, 10)."""

from collections.abc import Mapping

from dicom_node.upper_layer import wire
from dicom_node.upper_layer.wire import WireError

SUCCESS = 0x0000
UNRECOGNIZED_OPERATION = 0x0211
"""PS3.7 C.5.24."""

MAX_UID_BYTES = 64


def respond(command: Mapping[int, bytes]) -> dict[int, int | bytes] | None:
    """Return the response to a command set, or None for a C-CANCEL-RQ, which gets none (PS3.7 9.3.2.3).

    C-ECHO succeeds, also without its SOP class. Other services get 0211. A response, to which there was no request,
    and a command that does not exist raise WireError.
    """
    field = wire.number(command, wire.COMMAND_FIELD)
    if field == wire.C_CANCEL_RQ:
        return None
    if field == wire.C_ECHO_RQ:
        return response(command, SUCCESS)
    if field in wire.OTHER_REQUESTS:
        return response(command, UNRECOGNIZED_OPERATION)
    if field & wire.RESPONSE:
        raise WireError("response to a request that was never made")
    raise WireError("command field does not exist")


def response(command: Mapping[int, bytes], status: int, comment: str = "") -> dict[int, int | bytes]:
    """Return a response without data set: what the request named, its Message ID, the status (PS3.7 9.3, 10.3)."""
    answer: dict[int, int | bytes] = {
        wire.COMMAND_FIELD: wire.number(command, wire.COMMAND_FIELD) | wire.RESPONSE,
        wire.RESPONDED_MESSAGE_ID: wire.number(command, wire.MESSAGE_ID),
        wire.DATA_SET_TYPE: wire.NO_DATA_SET,
        wire.STATUS: status,
    }
    for tag in (wire.AFFECTED_SOP_CLASS, wire.AFFECTED_SOP_INSTANCE):
        if 0 < len(value := command.get(tag, b"")) <= MAX_UID_BYTES:
            answer[tag] = value
    if comment:
        answer[wire.ERROR_COMMENT] = comment[:64].encode("ascii", "replace")
    return answer

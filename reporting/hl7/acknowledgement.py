"""Reading HL7 acknowledgements as they are, not as they should be, and what each means for the delivery."""

import re
from dataclasses import dataclass
from enum import StrEnum

from config.errors import CxrnodeError, PeerBusy, PeerUnavailable, RefusedByPeer
from reporting.hl7.er7 import FIELD, unescape

_ENDS = re.compile(r"[\r\n]+")
_ACCEPTED = frozenset({"AA", "CA"})
_REFUSED = frozenset({"AE", "CE"})
_BUSY = frozenset({"AR", "CR"})


class AckCode(StrEnum):
    """MSA-1 (HL7 table 0008)."""

    APPLICATION_ACCEPT = "AA"
    APPLICATION_ERROR = "AE"
    APPLICATION_REJECT = "AR"
    COMMIT_ACCEPT = "CA"
    COMMIT_ERROR = "CE"
    COMMIT_REJECT = "CR"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a receiver answered: the code, whose message it answers, and the HL7 error code if it gave one."""

    code: AckCode
    control_id: str
    error_code: str


def parse_acknowledgement(frame: bytes) -> Acknowledgement:
    """Read the MSA (and ERR) of an answer.

    Lenient where receivers are sloppy: segments ended by LF or CRLF, another field separator, blank lines,
    lower case, no trailing segment end. Its free text is not read, since it may repeat a patient's data.

    Raises
    ------
    PeerUnavailable
        The bytes are no HL7 answer.
    """
    text = frame.decode("latin-1")
    lines = [line.strip(" \0\x0b\x1c") for line in _ENDS.split(text) if line.strip(" \0\x0b\x1c")]
    header = next((line for line in lines if line.startswith("MSH") and len(line) > 3), None)
    separator = header[3] if header else FIELD
    segments = {line.split(separator)[0].strip().upper(): line.split(separator) for line in reversed(lines)}
    msa = segments.get("MSA")
    if header is None or msa is None or len(msa) < 2:
        msg = "the answer is no HL7 acknowledgement (no MSH and MSA); is this the right port?"
        raise PeerUnavailable(msg)
    code = msa[1].strip().upper()
    if code not in set(AckCode):
        msg = "the acknowledgement has an unknown code in MSA-1; ask the receiver's vendor"
        raise RefusedByPeer(msg)
    control_id = unescape(msa[2].strip()) if len(msa) > 2 else ""
    return Acknowledgement(AckCode(code), control_id, _error_code(segments.get("ERR")))


def judge(answer: Acknowledgement, control_id: str) -> CxrnodeError | None:
    """Return what is wrong with an answer to the message ``control_id``, None when it was accepted.

    A refusal of the content (AE, CE) is permanent: the same message would be refused again. A rejection (AR, CR)
    is for reasons that pass (HL7 chapter 2.9.2). Either may leave out the message that it means. An answer to
    another message says nothing of ours.
    """
    hint = f" ({answer.error_code})" if answer.error_code else ""
    ours = answer.control_id == control_id
    if not ours and (answer.control_id or answer.code in _ACCEPTED):
        return PeerUnavailable(
            "HL7 receiver acknowledged another message (MSA-2 is not our MSH-10); the connection was dropped"
        )
    if answer.code in _BUSY:
        return PeerBusy(f"HL7 receiver answered {answer.code.value}{hint}: it cannot take the message now")
    if answer.code in _REFUSED and not ours:
        return RefusedByPeer(f"HL7 receiver answered {answer.code.value}{hint} without saying to which message")
    if answer.code in _REFUSED:
        return RefusedByPeer(
            f"HL7 receiver answered {answer.code.value}{hint}: it refuses the content; see its log for this control ID"
        )
    return None


def _error_code(err: list[str] | None) -> str:
    """Return ERR-3 (or ERR-1 of older versions) when it is a bare code of HL7 table 0357."""
    for number in (3, 1):
        if err is not None and len(err) > number:
            found = re.match(r"\s*(\d{3})(?=$|[\^\s])", err[number])
            if found:
                return f"HL7 error {found.group(1)}"
    return ""

"""The gate of messages: what hl7apy, being strict, accepts as ORU^R01, and what it does not see."""

from config.errors import DocumentRejected
from reporting.account import Account
from reporting.gate import demand
from reporting.hl7.er7 import FIELD, SEGMENT_END
from reporting.hl7.message import CODECS, BuiltMessage, result_status
from reporting.hl7.validation import require_valid
from reporting.identity import CONTROL_ID_LENGTH

_BEFORE_OBSERVATIONS = ("MSH", "PID", "PV1", "ORC", "OBR")
_PRIORITY = "TQ1"
"""Follows OBR in messages on an urgent study."""


def check_message(built: BuiltMessage, account: Account, character_set: str) -> None:
    """Check an HL7 message against its account. Raises DocumentRejected with the first thing wrong."""
    lines = _segments_of(built.content, character_set)
    demand(lines[0].split(FIELD)[9] == built.control_id, "MSH-10 is not the derived control ID")
    demand(lines[4].split(FIELD)[25] == result_status(account), "OBR-25 has the wrong status")
    said = {line.split(FIELD)[11] for line in _observations(lines)}
    demand(("X" in said) is not bool(account.analysed), "OBX-11 is wrong on whether an image was analysed")


def _segments_of(content: bytes, character_set: str) -> list[str]:
    """Check a message strictly with hl7apy, and what that does not see; return its segments."""
    try:
        text = content.decode(CODECS[character_set])
    except UnicodeDecodeError:
        msg = f"the message is not in {character_set}"
        raise DocumentRejected(msg) from None
    demand(text.endswith(SEGMENT_END) and "\n" not in text, "the segments are not ended by CR alone")
    lines = text.rstrip(SEGMENT_END).split(SEGMENT_END)
    names = [line.split(FIELD, 1)[0] for line in lines if not line.startswith(f"{_PRIORITY}{FIELD}")]
    observations = _observations(lines)
    expected = [*_BEFORE_OBSERVATIONS, *["OBX"] * len(observations)]
    demand(bool(observations) and names == expected, "the segments are not MSH PID PV1 ORC OBR OBX…")
    for number, observation in enumerate(observations, 1):
        demand(observation.split(FIELD)[1:2] == [str(number)], "the OBX segments are not numbered as they come")
    header = lines[0].split(FIELD)
    demand(len(header) > 17 and header[17] == character_set, "MSH-18 is not the character set")
    demand(0 < len(header[9]) <= CONTROL_ID_LENGTH, f"MSH-10 is not of 1 to {CONTROL_ID_LENGTH} characters")
    require_valid(text)
    return lines


def _observations(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(f"OBX{FIELD}")]


def check_message_alone(content: bytes) -> None:
    """Check a message without its account, in the characters that it names. Raises DocumentRejected."""
    header = content[:4096].split(SEGMENT_END.encode())[0].decode("latin-1").split(FIELD)
    demand(len(header) > 17 and header[17] in CODECS, "MSH-18 names no known character set")
    _segments_of(content, header[17])

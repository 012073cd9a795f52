"""Corrections: a message that was sent, sent once more with its observations deleted or wrong (HL7 2.5.1, table 0085).

The new message is made from the old one's own bytes, so that patient, order and observations are named as they were;
only MSH, OBR and the statuses differ. All character sets that messages are written in hold ASCII, of which delimiters
are, so that nothing needs to be decoded.
"""

from datetime import UTC, datetime

from config.language.translation import gettext as _
from config.language.translation import marked
from reporting.hl7.er7 import FIELD, SEGMENT_END
from reporting.hl7.message import BuiltMessage, encode_for
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Note

_STATUSES = {Reason.QUALITY: b"D", Reason.SAFETY: b"W"}
"""OBX-11 (table 0085): D deletes the observation; W: it was wrong, such as transmitted for the wrong patient."""
_WORDS = {
    Reason.QUALITY: marked("AI result withdrawn for quality reasons: do not use it."),
    Reason.SAFETY: marked("AI result withdrawn for patient safety reasons: do not use it."),
}
_END, _FIELD = SEGMENT_END.encode(), FIELD.encode()
_MESSAGE_TIME, _CONTROL_ID, _CHARACTER_SET, _RESULT_STATUS, _REPORTED_AT, _OBSERVATION_STATUS = 6, 9, 17, 25, 22, 11
"""Places after splitting a segment at its separator; MSH-1 is the separator itself."""
_CONTEXT = b"O"
"""Status of lines that only say what the result refers to: they stay true."""


def build_correction(note: Note, message: bytes) -> BuiltMessage:
    """Return the message that takes ``message`` back: OBR-25 C, the same OBR-2 to 4, every observation D or W.

    A note (NTE) after OBR says it in words, for receivers that only show text.
    """
    segments = []
    for segment in filter(None, message.split(_END)):
        fields = segment.split(_FIELD)
        if fields[0] == b"MSH":
            when, character_set = _time(note, fields[_MESSAGE_TIME]), fields[_CHARACTER_SET].decode("ascii")
            fields[_MESSAGE_TIME], fields[_CONTROL_ID] = when, note.uid.encode("ascii")
        elif fields[0] == b"OBR":
            fields[_REPORTED_AT], fields[_RESULT_STATUS] = when, b"C"
        elif fields[0] == b"OBX" and fields[_OBSERVATION_STATUS] != _CONTEXT:
            fields[_OBSERVATION_STATUS] = _STATUSES[note.reason]
        segments.append(_FIELD.join(fields))
        if fields[0] == b"OBR":
            segments.append(b"NTE|1|L|" + encode_for(_(_WORDS[note.reason]), character_set))
    return BuiltMessage(note.uid, _END.join(segments) + _END)


def _time(note: Note, sent_at: bytes) -> bytes:
    """Return when the note was made, at the offset in which the message told its own time."""
    offset = datetime.strptime(sent_at.decode("ascii"), "%Y%m%d%H%M%S%z").tzinfo
    return datetime.fromtimestamp(note.since_ms / 1000, UTC).astimezone(offset).strftime("%Y%m%d%H%M%S%z").encode()

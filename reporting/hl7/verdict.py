"""hl7apy's strict verdict on a message, at a fraction of its price.

A message about eleven findings has fifty observations that repeat the same few fields, and hl7apy takes two
milliseconds for each. What it demands of a segment it demands of each field by itself: that it may be there and as
often, that it is there if it must be, and that its parts are of their types. So a field need be judged only once in a
message: of the observations behind the first, only fields that differ from all before are put to it.
"""

from collections.abc import Sequence

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import ValidationError
from hl7apy.parser import parse_message, parse_segment

from reporting.hl7.er7 import FIELD, SEGMENT_END

_STRICT = VALIDATION_LEVEL.STRICT
_VERSION = "2.5.1"
_REQUIRED = (3, 11)
"""OBX-3 and OBX-11 (chapter 7.4.2), the only ones that must be there."""


def judge(segments: Sequence[str], first_observation: int) -> None:
    """Raise HL7apyException, or ValueError for a date, unless hl7apy, being strict, accepts ``segments``.

    Parameters
    ----------
    segments
        Those of a whole message, without their ends, each named as ORU^R01 wants it.
    first_observation
        Where the OBX segments begin, which are the last. Their Set IDs (OBX-1) are the caller's to check.
    """
    head = SEGMENT_END.join(segments[: first_observation + 1]) + SEGMENT_END
    parse_message(head, validation_level=_STRICT, find_groups=True).validate()
    judged = set(enumerate(segments[first_observation].split(FIELD)))
    for observation in segments[first_observation + 1 :]:
        fields = observation.split(FIELD)
        for number in _REQUIRED:
            if not "".join(fields[number : number + 1]).strip():
                msg = f"Missing required child OBX.OBX_{number}"
                raise ValidationError(msg)
        _judge_observation([text if (number, text) not in judged else "" for number, text in enumerate(fields)])
        judged.update(enumerate(fields))


def _judge_observation(fields: list[str]) -> None:
    """Judge what is left of an observation by its fields, as its segment may lack what it must have."""
    fields[:2] = ["OBX", ""]
    if any(fields[2:]):
        for field in parse_segment(FIELD.join(fields), version=_VERSION, validation_level=_STRICT).children:
            field.validate()

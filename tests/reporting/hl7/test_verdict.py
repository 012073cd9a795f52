"""A message is accepted and refused just as hl7apy would that is given the whole of it."""

from collections.abc import Callable, Sequence

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from config.settings import Hl7Destination
from reporting.hl7.er7 import FIELD, SEGMENT_END
from reporting.hl7.message import build_message
from reporting.hl7.verdict import judge
from tests.accounts import account, good_header, lateral

HEAD = 5
"""MSH, PID, PV1, ORC, OBR."""
LATE = HEAD + 6
"""An observation whose like came before."""


def segments() -> list[str]:
    """Return a message in segments."""
    made = account(good_header(1), skipped=(lateral(),))
    destination = Hl7Destination(kind="hl7", name="ris", host="h", port=1)
    return build_message(made, destination, None).content.decode().rstrip(SEGMENT_END).split(SEGMENT_END)


def whole(lines: Sequence[str]) -> None:
    """Have hl7apy judge all of it, as it comes."""
    message = SEGMENT_END.join(lines) + SEGMENT_END
    parse_message(message, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True).validate()


def accepted(judged: Callable[[], None]) -> bool:
    try:
        judged()
    except (HL7apyException, ValueError):
        return False
    return True


def test_a_message_as_it_is_built_is_accepted() -> None:
    judge(segments(), HEAD)


DAMAGE: dict[str, Callable[[str], str]] = {
    "gone": lambda _: "",
    "blank": lambda _: " ",
    "twice": lambda text: f"{text}~{text}",
    "a component too many": lambda text: f"{text}{'^' * 8}x",
    "subcomponents": lambda _: "a&b",
    "no date": lambda _: "20269999",
    "long": lambda _: "x" * 300,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("number", [2, 3, 4, 6, 8, 11, 14, 17, 18, 19, 20])
def test_a_field_is_accepted_and_refused_as_in_the_whole(number: int, damage: Callable[[str], str]) -> None:
    lines = segments()[: LATE + 1]
    fields = [*lines[LATE].split(FIELD), *[""] * 20][:21]
    fields[number] = damage(fields[number])
    lines[LATE] = FIELD.join(fields).rstrip(FIELD)
    assert accepted(lambda: judge(lines, HEAD)) == accepted(lambda: whole(lines))


@pytest.mark.parametrize("kept", [3, 5, 10, 11])
def test_an_observation_that_breaks_off_is_refused(kept: int) -> None:
    lines = segments()
    lines[LATE] = FIELD.join(lines[LATE].split(FIELD)[:kept])
    assert not accepted(lambda: whole(lines[: LATE + 1]))
    assert not accepted(lambda: judge(lines, HEAD))


def test_what_is_before_the_observations_is_judged_as_a_whole() -> None:
    lines = segments()
    lines[4] = lines[4].replace("XR Chest Single view", "XR&Chest").replace("36554-4^", "^^^^^^^^^")
    assert not accepted(lambda: judge(lines, HEAD))

"""A message as a whole is held to HL7 2.5.1, each field of each observation."""

from collections.abc import Callable

import pytest

from config.destinations import Hl7Destination
from config.errors import DocumentRejected
from reporting.hl7.er7 import FIELD, SEGMENT_END
from reporting.hl7.message import build_message
from reporting.hl7.validation import require_valid
from tests.accounts import account, good_header, lateral

HEAD = 5
"""MSH, PID, PV1, ORC, OBR."""
LATE = HEAD + 6
"""An observation whose like came before."""


@pytest.fixture(scope="module")
def segments() -> list[str]:
    """Return the head of a message and its first seven observations."""
    made = account(good_header(1), skipped=(lateral(),))
    content = build_message(made, Hl7Destination(kind="hl7", name="ris", host="h", port=1), None).content
    return content.decode().split(SEGMENT_END)[: LATE + 1]


def joined(segments: list[str]) -> str:
    return SEGMENT_END.join(segments) + SEGMENT_END


def test_a_message_as_it_is_built_is_valid(segments: list[str]) -> None:
    require_valid(joined(segments))


DAMAGE: dict[str, tuple[int, Callable[[str], str]]] = {
    "no identifier": (3, lambda _: ""),
    "no status": (11, lambda _: ""),
    "two statuses": (11, lambda text: f"{text}~{text}"),
    "a component too many": (3, lambda text: f"{text}{'^' * 8}x"),
    "subcomponents in a code": (11, lambda _: "a&b"),
    "no date": (14, lambda _: "20269999"),
    "a group too long": (4, lambda _: "x" * 300),
}


@pytest.mark.parametrize(("number", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_observation_is_refused(segments: list[str], number: int, damage: Callable[[str], str]) -> None:
    fields = segments[LATE].split(FIELD)
    fields[number] = damage(fields[number])
    with pytest.raises(DocumentRejected, match=r"does not validate as HL7 v2\.5\.1"):
        require_valid(joined([*segments[:LATE], FIELD.join(fields)]))


@pytest.mark.parametrize("kept", [3, 5, 10, 11])
def test_an_observation_that_breaks_off_is_refused(segments: list[str], kept: int) -> None:
    broken = FIELD.join(segments[LATE].split(FIELD)[:kept])
    with pytest.raises(DocumentRejected):
        require_valid(joined([*segments[:LATE], broken]))


def test_what_is_before_the_observations_is_held_to_it_too(segments: list[str]) -> None:
    request = segments[4].replace("XR Chest Views", "XR&Chest").replace("30745-4^", "^^^^^^^^^")
    with pytest.raises(DocumentRejected):
        require_valid(joined([*segments[:4], request, *segments[HEAD:]]))

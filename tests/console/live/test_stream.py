"""What waits for one open page."""

import asyncio

from console.live.stream import Stream, encode
from tracking.people.roles import Role


def test_a_page_that_is_slow_keeps_the_latest_only() -> None:
    stream = Stream("jane", Role.VIEWER, "token", None)
    for number in range(1000):
        stream.put("rows", {"html": f"{number}\n"})

    async def take() -> None:
        assert await stream.take(1) == 'event: rows\ndata: {"html": "999\\n"}\n\n'
        assert await stream.take(0.01) == ""

    asyncio.run(take())


def test_no_content_of_an_event_begins_another_one() -> None:
    assert encode("rows", {"html": "a\n\nevent: state\r\ndata: {}"}).count("\n") == 3

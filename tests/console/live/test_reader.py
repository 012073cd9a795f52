"""The one reader for all open pages: what it asks the database, what pages hear, and who has to go."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from config.settings import Settings
from console.live import reader as live
from console.live.reader import LiveReader
from console.live.stream import Stream
from console.site import Site
from console.worklist_view import WorklistView
from tests.console.visitors import begin_session
from tracking.engine.database import Database
from tracking.lists.study_filter import StudyFilter
from tracking.people import users
from tracking.people.roles import Role
from tracking.people.users import Actor

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Record = Callable[..., None]
ALL = WorklistView(StudyFilter())
URGENT = WorklistView(StudyFilter(urgent=True))


@pytest.fixture
def reader(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> LiveReader:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    return Site(settings, database).live


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that anybody asks."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine, "before_cursor_execute", note)


def open_streams(reader: LiveReader, count: int, view: WorklistView | None = ALL) -> list[Stream]:
    opened = [reader.open(f"user{number // 10}", Role.VIEWER, f"token{number}", view) for number in range(count)]
    return [stream for stream in opened if stream is not None]


def events(text: str) -> dict[str, dict[str, str]]:
    """Return the data by kind of what was sent."""
    parts = [part.split("\n") for part in text.split("\n\n") if part]
    return {part[0].removeprefix("event: "): json.loads(part[1].removeprefix("data: ")) for part in parts}


async def heard(stream: Stream, kind: str) -> dict[str, str]:
    """Return the data of the next event of a kind."""
    async with asyncio.timeout(20):
        while True:
            found = events(await stream.take(20))
            if kind in found:
                return found[kind]


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def to_the_end() -> None:
        await work()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:  # the reader, whose streams have all gone
            await asyncio.wait(others, timeout=20)

    asyncio.run(to_the_end())


def test_fifty_open_worklists_cost_the_database_what_one_costs(
    reader: LiveReader, database: Database, receive: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CHECK_SECONDS", 1e9)
    costs = []

    async def follow(count: int) -> None:
        reader._checked_at = 0.0
        with counted(database) as statements:
            streams = open_streams(reader, count)
            for stream in streams:
                await heard(stream, "rows")
            looks = 1
            for instance in range(3):
                await asyncio.to_thread(receive, f"{count}.{instance}", study=f"{count}.{instance}.9")
                shown = [(await heard(stream, "rows"))["html"] for stream in streams]
                assert all(f'data-key="{count}.{instance}.9"' in html for html in shown)
                looks += 1
            read = [statement for statement in statements if "FROM standing" in statement or "page" in statement]
            costs.append(len(read) / looks)
            for stream in streams:
                reader.leave(stream)
            await asyncio.sleep(0.1)

    run(lambda: follow(1))
    run(lambda: follow(50))
    assert costs[0] == costs[1] == 3, "the studies, what is around them, and the bell"


def test_a_look_at_what_has_not_changed_is_one_statement(
    reader: LiveReader, database: Database, receive: Record
) -> None:
    receive("1.1")
    assert set(reader.look({ALL, URGENT})) == {ALL, URGENT}
    reader._frames = {view: live.Frame(frame.studies, frame.html) for view, frame in reader.look({ALL}).items()}
    reader._frames |= reader.look({URGENT})
    with counted(database) as statements:
        assert reader.look({ALL, URGENT}) == {}
    assert len([statement for statement in statements if "audit_head" in statement]) == 1
    assert not [statement for statement in statements if "standing" in statement]


def test_rows_that_stay_the_same_are_not_sent_again(reader: LiveReader, receive: Record) -> None:
    receive("1.1")
    reader._frames = reader.look({ALL, URGENT})
    receive("1.2", study="1.10")
    assert set(reader.look({ALL, URGENT})) == {ALL}, "the new study is not urgent"


def test_open_pages_are_bounded_and_one_user_does_not_keep_others_out(
    reader: LiveReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_OF_A_USER", 3)
    monkeypatch.setattr(live, "MOST_STREAMS", 5)

    async def open_many() -> None:
        greedy = [reader.open("greedy", Role.VIEWER, "t", None) for _ in range(9)]
        assert [stream.ended for stream in greedy if stream is not None] == [True] * 6 + [False] * 3
        assert greedy[0] is not None
        assert events(await greedy[0].take(1))["state"] == {"now": "crowded"}
        others = [reader.open(f"user{number}", Role.VIEWER, "t", None) for number in range(3)]
        assert others[-1] is None
        assert None not in others[:-1]
        reader.close()
        await asyncio.sleep(0.05)
        assert all(stream is None or stream.ended for stream in (*greedy, *others))
        assert reader.open("late", Role.VIEWER, "t", None) is None

    run(open_many)


@pytest.mark.parametrize("what", ["disabled", "demoted"])
def test_a_stream_ends_with_its_session_and_with_its_role(
    reader: LiveReader, database: Database, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(live, "CHECK_SECONDS", 0.0)
    kept, ended = begin_session(database, Role.VIEWER), begin_session(database, Role.RADIOLOGIST)

    def change() -> None:
        with database.transaction() as tx:
            if what == "disabled":
                users.disable(tx, "dr.radiologist", by=Actor("root"))
            else:
                users.set_role(tx, "dr.radiologist", Role.VIEWER, by=Actor("root"))

    async def follow() -> None:
        one = reader.open("dr.viewer", Role.VIEWER, kept, None)
        other = reader.open("dr.radiologist", Role.RADIOLOGIST, ended, None)
        assert one is not None
        assert other is not None
        await asyncio.sleep(0.1)
        assert [stream.ended for stream in (one, other)] == [False, False]
        await asyncio.to_thread(change)
        async with asyncio.timeout(20):
            while not other.ended:
                await asyncio.sleep(0.01)
        assert not one.ended
        reader.leave(one)

    run(follow)


def test_pages_are_told_when_the_database_does_not_answer_and_when_it_does_again(
    reader: LiveReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = True

    def look(_views: object, _languages: object) -> dict[WorklistView, live.Frame]:
        if fails:
            raise OperationalError("", {}, Exception())
        return {}

    monkeypatch.setattr(reader, "look", look)

    async def follow() -> None:
        nonlocal fails
        reader._checked_at = 1e18
        stream = reader.open("jane", Role.VIEWER, "t", None)
        assert stream is not None
        states = [(await heard(stream, "state"))["now"]]
        if states == ["fresh"]:
            states.append((await heard(stream, "state"))["now"])
        fails = False
        states.append((await heard(stream, "state"))["now"])
        assert states[-2:] == ["stale", "fresh"]
        reader.leave(stream)

    run(follow)

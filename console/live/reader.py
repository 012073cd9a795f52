"""The one reader of the database for all pages that are open in a console.

Once a second it asks for the number of the last audit line, which every change of a study, a job or a delivery moves,
and reads what is shown when that has changed: once for each view, however many pages show it.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from config.language.translation import Language, language, speaking
from config.logs import get_logger
from console.live.bell import bell_lines
from console.live.stream import Stream
from console.live.worklist_rows import find_rows, row_values
from console.worklist_view import WorklistView
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.lists.attention import COUNTED_UP_TO, Attention, count_attention
from tracking.lists.worklist import Worklist
from tracking.people import user_sessions
from tracking.people.roles import Role
from tracking.people.user_sessions import Limits

log = get_logger(__name__)
LOOK_SECONDS = 1.0
"""Between two looks at the database; a look that takes longer is followed by as long a rest."""
READ_AGAIN_SECONDS = 60.0
"""After so long all is read even without an audit line: some of what is shown follows from the time."""
CHECK_SECONDS = 30.0
"""How often it is asked whose sessions have ended, and who got another role."""
MOST_STREAMS = 128
"""Open pages of a console: half of its connections (:data:`console.connections.MOST_CONNECTIONS`)."""
MOST_OF_A_USER = 16
"""Open pages of one user; one more ends the stream that has been open for longest."""

Render = Callable[..., str]
"""Renders a template by name, with values."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a view shows at a moment."""

    studies: Worklist
    html: Mapping[Language, str]
    """Its rows in each language that an open page shows them in."""

    def shows_the_same(self, other: "Frame | None") -> bool:
        """Say whether nothing but the time has changed."""
        return other is not None and self._content == other._content

    @property
    def _content(self) -> tuple[Any, ...]:
        return self.studies.rows, self.studies.total, self.studies.newer, self.studies.older


class LiveReader:
    """Reads for all open pages of a console. The methods are for the event loop, unless they say otherwise."""

    def __init__(
        self, database: Database, render: Render, limits: Limits, expiring: Callable[[], int] = lambda: 0
    ) -> None:
        self._expiring = expiring
        self._database = database
        self._render = render
        self._limits = limits
        self._streams: list[Stream] = []
        self._frames: dict[WorklistView, Frame] = {}
        self._seen: int | None = None
        self._read_at = self._checked_at = 0.0
        self._attention = Attention()
        self._attention_at = float("-inf")
        self._attention_lock = threading.Lock()
        self._bells: dict[tuple[Role, Language], str] = {}
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._state = "fresh"

    def open(self, user: str, role: Role, token: str, view: WorklistView | None) -> Stream | None:
        """Return a stream for a page in the language in force, or None where there are too many."""
        own = [stream for stream in self._streams if stream.user == user]
        if len(own) >= MOST_OF_A_USER:
            own[0].put("state", {"now": "crowded"})  # so that its page does not come back at once
            self.leave(own[0])
        if self._closed or len(self._streams) >= MOST_STREAMS:
            return None
        stream = Stream(user, role, token, view, language())
        stream.put("state", {"now": self._state})
        bell = self._bells.get((role, stream.language))
        if bell is not None:
            stream.put("bell", {"html": bell})
        if view in self._frames and stream.language in self._frames[view].html:
            self._send_frame(stream, self._frames[view])
        self._streams.append(stream)
        if self._task is None or self._task.done():
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._follow())
        return stream

    def leave(self, stream: Stream) -> None:
        """End a stream; one that has ended already is left alone."""
        stream.end()
        if stream in self._streams:
            self._streams.remove(stream)

    def close(self) -> None:
        """End all streams, from any thread: the console stops."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_all)

    def attention(self, *, read: bool = True) -> Attention:
        """Return what waits for a person, at most a second old, from any thread; unless to ``read``, the last known."""
        with self._attention_lock:
            if read and time.monotonic() - self._attention_at >= LOOK_SECONDS and not self._is_following:
                with self._database.reading() as session:
                    self._attention = self._count(session)
                self._attention_at = time.monotonic()
            return self._attention

    def _count(self, read: Session) -> Attention:
        """Count what waits for a person, on record and among the certificates."""
        return replace(count_attention(read), certificates=self._expiring())

    @property
    def _is_following(self) -> bool:
        return self._task is not None and not self._task.done() and self._state == "fresh" and self._seen is not None

    def look(
        self, views: Collection[WorklistView], languages: Collection[Language] = (Language.ENGLISH,)
    ) -> dict[WorklistView, Frame]:
        """Read what has changed, and what views show that are new; return the frames that differ. For a thread.

        A frame has its rows in each of the languages.
        """
        with self._database.reading() as read:
            number = audit.last_number(read)
            now = time.monotonic()
            changed = number != self._seen or now - self._read_at >= READ_AGAIN_SECONDS
            attention = self._count(read) if changed else self._attention
            asked = [view for view in views if changed or not self._has(view, languages)]
            found = {view: find_rows(read, view) for view in asked}
        if changed:
            self._seen, self._read_at = number, now
        self._attention, self._attention_at = attention, now
        frames = {
            view: Frame(studies, {spoken: self._rows(studies, view, spoken) for spoken in languages})
            for view, studies in found.items()
        }
        return {
            view: frame for view, frame in frames.items()
            if not (self._has(view, languages) and frame.shows_the_same(self._frames[view]))
        }  # fmt: skip

    def _has(self, view: WorklistView, languages: Collection[Language]) -> bool:
        return view in self._frames and self._frames[view].html.keys() >= set(languages)

    def _rows(self, studies: Worklist, view: WorklistView, spoken: Language) -> str:
        with speaking(spoken):
            return self._render("worklist_rows.html", **row_values(studies, view))

    async def _follow(self) -> None:
        """Look and hand out, as long as a page is open."""
        try:
            while self._streams:
                began = time.monotonic()
                try:
                    await self._look_once()
                    self._tell("fresh")
                except SQLAlchemyError as error:
                    log.error("console-live-database-failed", error=type(error).__name__)
                    self._tell("stale")
                await asyncio.sleep(max(LOOK_SECONDS, time.monotonic() - began))
        finally:  # no page may believe that it is followed up when nothing reads any more
            self._end_all()
            self._frames.clear()
            self._bells.clear()
            self._seen = None

    async def _look_once(self) -> None:
        if time.monotonic() - self._checked_at >= CHECK_SECONDS:
            self._checked_at = time.monotonic()
            await self._end_with_sessions()
        views = {stream.view for stream in self._streams if stream.view is not None}
        languages = {stream.language for stream in self._streams}
        frames = await run_in_threadpool(self.look, views, languages)
        self._frames = {view: frame for view, frame in self._frames.items() if view in views} | frames
        bells = {(role, spoken): self.bell(role, self._attention, spoken) for role in Role for spoken in languages}
        for stream in self._streams:
            bell = bells.get((stream.role, stream.language))
            if bell is not None and bell != self._bells.get((stream.role, stream.language)):
                stream.put("bell", {"html": bell})
            if stream.view in frames:
                self._send_frame(stream, frames[stream.view])
        self._bells = bells

    def bell(self, role: Role, attention: Attention, spoken: Language) -> str:
        """Return the bell of the pages of a role in a language, from any thread."""
        with speaking(spoken):
            return self._render("bell.html", bell_lines=bell_lines(attention, role), bell_most=COUNTED_UP_TO)

    async def _end_with_sessions(self) -> None:
        """End the streams of sessions that have ended, or whose user got another role: its page comes back with it."""
        tokens = {stream.token for stream in self._streams}

        def still_open() -> dict[str, Role]:
            with self._database.reading() as read:
                return user_sessions.still_open(read, tokens, self._limits)

        left = await run_in_threadpool(still_open)
        for stream in [stream for stream in self._streams if stream.token in tokens]:
            if left.get(stream.token) is not stream.role:
                self.leave(stream)

    def _tell(self, state: str) -> None:
        """Tell the pages that the database answers, or does not, where that has changed."""
        if state != self._state:
            self._state = state
            for stream in self._streams:
                stream.put("state", {"now": state})

    def _end_all(self) -> None:
        for stream in list(self._streams):
            self.leave(stream)

    @staticmethod
    def _send_frame(stream: Stream, frame: Frame) -> None:
        stream.put("rows", {"html": frame.html[stream.language]})

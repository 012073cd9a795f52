"""One open page that follows the database: what waits to be sent to it, as server-sent events."""

import asyncio
import json

from config.language.translation import Language
from console.worklist_view import WorklistView
from tracking.people.roles import Role

Data = dict[str, str]


class Stream:
    """What waits for one page. Of each kind of event only the latest waits: a slow page costs no memory.

    All methods run on the event loop's thread.
    """

    def __init__(
        self, user: str, role: Role, token: str, view: WorklistView | None, language: Language = Language.ENGLISH
    ) -> None:
        self.user = user
        self.role = role
        self.token = token
        """The session that the page belongs to: the stream ends with it."""
        self.view = view
        """The rows that the page shows; None on every page but the worklist."""
        self.language = language
        self.ended = False
        self._waiting: dict[str, str] = {}
        self._news = asyncio.Event()

    def put(self, event: str, data: Data) -> None:
        """Have an event sent, in the place of one of the same kind that was not sent yet."""
        self._waiting[event] = encode(event, data)
        self._news.set()

    def end(self) -> None:
        """Have no more sent."""
        self.ended = True
        self._news.set()

    async def take(self, seconds: float) -> str:
        """Return what waits, after at most so many seconds; empty when there was no news."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return ""
        self._news.clear()
        text = "".join(self._waiting.values())
        self._waiting.clear()
        return text


def encode(event: str, data: Data) -> str:
    """Return an event in the form of the event stream format (HTML, 9.2.5); JSON has no line feed."""
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"

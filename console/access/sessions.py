"""Whom a cookie or an API token stands for."""

from config.console_settings import ConsoleSettings
from console.access.cookies import SessionCookie
from tracking.engine.database import Database
from tracking.people import api_tokens, user_sessions
from tracking.people.api_tokens import TokenHolder
from tracking.people.user_sessions import Limits
from tracking.people.users import Identity


class Sessions:
    """Sessions of one console; all consoles of a node have the same, as they are in the database."""

    def __init__(self, settings: ConsoleSettings, database: Database) -> None:
        self.cookie = SessionCookie(settings.is_encrypted)
        self.limits = Limits(60 * settings.session_idle_minutes, 3600 * settings.session_hours)
        self._database = database

    def identity_of(self, token: str, *, in_use: bool = True) -> Identity | None:
        """Return who has logged in with a session's token, and note that it is ``in_use``; None: nobody."""
        with self._database.reading() as read:
            session = user_sessions.find(read, token, self.limits)
        if session is None:
            return None
        if in_use and session.seen_is_old:
            with self._database.transaction() as tx:
                user_sessions.touch(tx, token)
        return session.identity

    def holder_of(self, token: str) -> TokenHolder | None:
        """Return whom an API token stands for, and its scopes; None: nobody."""
        with self._database.reading() as read:
            return api_tokens.find(read, token)

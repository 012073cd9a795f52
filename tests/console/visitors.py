"""People who have logged in, for tests of the console."""

from functools import cache

from tracking.engine.database import Database
from tracking.people import passwords, user_sessions, users
from tracking.people.roles import Role
from tracking.tables.user_models import User

PASSWORD = "a long enough secret"
SAME_SITE = {"Origin": "http://127.0.0.1:8480"}


def begin_session(database: Database, role: Role, *, must_change: bool = False) -> str:
    """Return the token of a session of the user ``dr.<role>``, who is added where missing."""
    name = f"dr.{role.value}"
    with database.transaction() as tx:
        user = users.find(tx, name)
        if user is None:
            user = User(name=name, role=role.value, password_hash=_hashed(), must_change=must_change)
            tx.add(user)
            tx.flush()
        return user_sessions.begin(tx, user)


@cache
def _hashed() -> str:
    """Return the hash of the password, which takes its time on purpose."""
    return passwords.hash_password(PASSWORD)

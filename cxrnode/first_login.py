"""The first login of a new node: a user ``admin`` whose one-time password stands on the terminal and nowhere else."""

import sys

from config.logs import get_logger
from cxrnode.command import out
from tracking.engine.database import Database
from tracking.people import users

log = get_logger(__name__)
CURE = "cxrnode user add NAME --role administrator"


def announce(database: Database) -> None:
    """Make the first administrator where there is no user, and print the password; without a terminal, say how to.

    What is not a terminal may be a journal or a file that others read.
    """
    with database.reading() as read:
        if users.there_are_users(read):
            return
    if not sys.stdout.isatty():
        log.warning("console-has-no-user", cure=CURE)
        return
    password = users.add_first_administrator(database)
    if password is not None:
        out.print(
            f"The console has no user yet. Log in as {users.FIRST_NAME} with the one-time password {password}\n"
            f"and choose your own. It is shown only now; `cxrnode user passwd {users.FIRST_NAME}` sets another.",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip

"""How a command ends that could not do what it was asked: one message, and an exit code that means something."""

from dataclasses import dataclass

from config.errors import CxrnodeError, SettingsError

PERMANENT_EXIT_CODE = 1
SETTINGS_EXIT_CODE = 3
RETRIABLE_EXIT_CODE = 4
INTERRUPTED_EXIT_CODE = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """What is printed, and with which exit code the command ends."""

    kind: str
    message: str
    exit_code: int


def failure_of(error: Exception) -> Failure | None:
    """Return how a command ends on an error; None when it is none that we know, a mistake of ours."""
    if isinstance(error, SettingsError):
        return Failure("settings", str(error), SETTINGS_EXIT_CODE)
    if isinstance(error, CxrnodeError):
        return Failure("error", str(error), RETRIABLE_EXIT_CODE if error.retriable else PERMANENT_EXIT_CODE)
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    from tracking.engine.database import in_words

    if isinstance(error, DBAPIError):
        away = isinstance(error, OperationalError | InterfaceError)
        message = f"{in_words(error)}; `cxrnode doctor` says more"
        return Failure("database", message, RETRIABLE_EXIT_CODE if away else PERMANENT_EXIT_CODE)
    return None

"""An act: who asks for it, its words, and what does it, in one transaction with its audit line.

What is refused is said in words, and nothing has changed then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from console.site import Site
from tracking.audit_log import audit
from tracking.people.users import Identity

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ActRequest:
    """Who asks for an act on what: a study's UID or a destination's name, and the fields of the form."""

    site: Site
    subject: str
    fields: Fields
    by: Identity
    token: str = ""
    """The API token with which a program asks for this user."""

    @property
    def user(self) -> str:
        """Return the name of who asks."""
        return self.by.name

    def field(self, name: str) -> str:
        """Return a field without blanks around it; empty where it was left out."""
        return self.fields.get(name, "").strip()


Perform = Callable[[Session, ActRequest], str]
"""Does an act in a transaction, and says what came of it. Raises ActionRefused."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act: its name in the address, its words, the fields that its form asks for, and what does it."""

    name: str
    title: str
    warning: str
    fields: tuple[str, ...]
    perform: Perform


def perform(act: Act, act_request: ActRequest) -> str:
    """Do an act, and say what came of it; of a program, every audit line names the token, too.

    Raises
    ------
    ActionRefused
        It cannot be done as things stand; nothing was changed.
    """
    with act_request.site.database.transaction() as tx:
        if act_request.token:
            audit.add_means(tx, {"how": "api", "token": act_request.token})
        return act.perform(tx, act_request)

"""Translation: the language in force, and texts in it, by catalogues of GNU gettext whose source is English.

A language is in force for a context (:mod:`contextvars`): a request of a page, the building of a document. Outside of
those it is English: command line, log and audit log speak it always.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

CATALOGUES = Path(__file__).with_name("catalogues")
"""One ``.po`` a language, written by translators, and the ``.mo`` that is compiled from it."""


class Language(StrEnum):
    """A language that this node speaks, by its code (ISO 639-1, RFC 5646)."""

    ENGLISH = "en"
    GERMAN = "de"
    FRENCH = "fr"
    SPANISH = "es"
    ITALIAN = "it"
    PORTUGUESE = "pt"
    """As written in Brazil, which the code means without a region (CLDR)."""


ENDONYMS = {
    Language.ENGLISH: "English", Language.GERMAN: "Deutsch", Language.FRENCH: "Français",
    Language.SPANISH: "Español", Language.ITALIAN: "Italiano", Language.PORTUGUESE: "Português",
}  # fmt: skip
"""What each language calls itself."""

_in_force: ContextVar[Language] = ContextVar("language", default=Language.ENGLISH)


def language() -> Language:
    """Return the language in force."""
    return _in_force.get()


@contextmanager
def speaking(chosen: Language) -> Iterator[None]:
    """Put a language in force for what is done inside; never around a ``yield`` of a generator, which would leak it."""
    token = _in_force.set(chosen)
    try:
        yield
    finally:
        _in_force.reset(token)


def gettext(message: str) -> str:
    """Return a message in the language in force; one that no catalogue has, such as a site's own name, as it is."""
    return _catalogue(_in_force.get()).gettext(message) if message else ""


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form of a message that the language in force has for a number."""
    return _catalogue(_in_force.get()).ngettext(singular, plural, number)


def pgettext(context: str, message: str) -> str:
    """Return a message that means something else elsewhere: ``context`` says what is meant here."""
    return _catalogue(_in_force.get()).pgettext(context, message)


def npgettext(context: str, singular: str, plural: str, number: int) -> str:
    """Return the form of a message with a context that the language in force has for a number."""
    return _catalogue(_in_force.get()).npgettext(context, singular, plural, number)


def marked(message: str) -> str:
    """Return a message as it is, and have it put into the catalogues: a constant is translated when it is shown."""
    return message


@cache
def _catalogue(chosen: Language) -> NullTranslations:
    if chosen is Language.ENGLISH:
        return NullTranslations()
    with (CATALOGUES / f"{chosen}.mo").open("rb") as compiled:
        return GNUTranslations(compiled)

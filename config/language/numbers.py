"""Numbers as people of a language write them; dates stay ISO 8601, which no reader takes for another day."""

from config.language.translation import Language, language

_SPACED = frozenset({Language.GERMAN, Language.FRENCH, Language.SPANISH})
"""Languages with a space before the percent sign (CLDR)."""


def decimal(number: str) -> str:
    """Return a number with the decimal mark of the language in force: ``0.5``, ``0,5``."""
    return number if language() is Language.ENGLISH else number.replace(".", ",")


def percentage(number: str) -> str:
    """Return a number of percent with its sign: ``36.2%``; ``36,2 %``, with a no-break space, where that is usual."""
    space = "\N{NO-BREAK SPACE}" if language() in _SPACED else ""
    return f"{decimal(number)}{space}%"

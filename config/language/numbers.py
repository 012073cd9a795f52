"""Numbers as people of a language write them; dates stay ISO 8601, which no reader takes for another day."""

from config.language.translation import Language, language

_SPACED = frozenset({Language.GERMAN, Language.FRENCH, Language.SPANISH})
"""Languages with a space before the percent sign (CLDR)."""


def decimal(number: str) -> str:
    """Return a number with the decimal mark of the language in force: ``0.5``, ``0,5``."""
    return number if language() is Language.ENGLISH else number.replace(".", ",")


def percentage(number: str, *, beside_words: bool = False) -> str:
    """Return a number of percent with its sign: ``36.2%``; ``36,2 %``, with a no-break space, where that is usual.

    ``beside_words`` writes an English one as it stands in a sentence: ``present 36.2 %``.
    """
    spaced = language() in _SPACED or (beside_words and language() is Language.ENGLISH)
    space = "\N{NO-BREAK SPACE}" if spaced else ""
    return f"{decimal(number)}{space}%"

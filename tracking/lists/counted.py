"""Numbers with their nouns, for what the command line and the web pages say."""


def count(number: int, word: str, words: str | None = None) -> str:
    """Return a number with its noun: ``1 image``, ``2 images``; ``words`` is a plural that takes more than an s."""
    return f"{number} {word if number == 1 else words or word + 's'}"

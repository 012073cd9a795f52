"""What came of an act."""

from console.api.models.answer import Answer


class ActOutcome(Answer):
    """What an act came to; where nothing had to be changed, the words say so."""

    act: str
    subject: str
    """The study's UID or the destination's name."""
    outcome: str


class Done(Answer):
    """What an act came to, in words."""

    outcome: str

"""What every fit returns, and how it says how far it is."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

Progress = Callable[[str, int, int], None]
"""Called with (what, done, of)."""


def _nothing() -> None:
    """Forget nothing."""


@dataclass(frozen=True, slots=True)
class FitResult:
    """A fitted network and what an epoch's losses were."""

    network: keras.Model
    """In float32, input (n, side, side, 1), grey 0..1; outputs: one vector of logits a head in the recipe's order,
    then the maps where the recipe has some."""
    losses: tuple[dict[str, float], ...]
    """One entry an epoch, the interrupted run's before the resumed run's."""
    forget: Callable[[], None] = _nothing
    """To be called when what was made of the network stands on the disk: until then, a run that is killed goes on
    after its last epoch."""

    @property
    def rounded(self) -> list[dict[str, float]]:
        """The losses as a package's figures have them."""
        return [{name: round(value, 4) for name, value in epoch.items()} for epoch in self.losses]


def silent(what: str, done: int, of: int) -> None:
    """Say nothing: the progress of whoever does not want to know."""

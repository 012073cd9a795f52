"""Where a stopped run goes on: what an epoch changed, kept as a whole after each, under the run's own name."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from config.logs import get_logger

_LOSSES = "losses"
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The variables of one run and the file that holds their last complete state."""

    path: Path
    variables: Sequence[Any]

    @classmethod
    def of(cls, work: Path, key: str, variables: Sequence[Any]) -> "Checkpoint":
        """Return the checkpoint of the run that has this key, see :mod:`training.fit.cache_key`."""
        return cls(work / f"run-{key}.npz", variables)

    def save(self, epochs: Sequence[dict[str, float]]) -> None:
        """Keep the variables and the losses so far; a kill at any moment leaves this state or the one before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        arrays = {str(index): np.asarray(variable) for index, variable in enumerate(self.variables)}
        with unfinished.open("wb") as stream:
            np.savez(stream, **arrays, **{_LOSSES: np.asarray(json.dumps(list(epochs)))})  # type: ignore[arg-type]
        unfinished.replace(self.path)

    def restore(self) -> list[dict[str, float]]:
        """Give the variables their kept state; return the losses of the epochs behind it, none without one.

        A state of other variables, as an earlier version of this program kept it, is none.
        """
        if not self.path.is_file():
            return []
        with np.load(self.path) as kept:
            if len(kept.files) != len(self.variables) + 1:
                _log.warning("a stopped run left another version's state: it begins anew", path=self.path.name)
                return []
            for index, variable in enumerate(self.variables):
                variable.assign(kept[str(index)])
            epochs: list[dict[str, float]] = json.loads(str(kept[_LOSSES]))
        return epochs

    @property
    def forget(self) -> Callable[[], None]:
        """Return what forgets it, once what the run was for stands on the disk; it holds no variable until then."""
        return partial(self.path.unlink, missing_ok=True)

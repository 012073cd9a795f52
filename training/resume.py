"""A run that is killed goes on where it stopped: everything an epoch leaves behind, in one file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from config.logs import get_logger

_log = get_logger(__name__)


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the state of a fit after every epoch, and gives it back to a fit of the same settings and data.

    The state is the weights, the optimizer's own, the random generators' and the losses so far, so that a run that
    was killed and started again ends where an undisturbed one does.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Keep the state in ``path``; ``key`` tells runs of other settings or data apart."""
        super().__init__()
        self._path = path
        self._key = key
        self.losses: list[dict[str, float]] = []
        """What each epoch's losses were."""

    def restore(self, model: keras.Model) -> int:
        """Give a compiled, built model the state that was kept; return how many epochs are done, 0 without one."""
        try:
            with np.load(self._path) as kept:
                if str(kept["key"]) != self._key:
                    return 0
                values = [kept[f"v{place}"] for place in range(int(kept["count"]))]
                losses = json.loads(str(kept["losses"]))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, EOFError):
            _log.warning("kept state is broken, starting again", path=self._path.name)
            return 0
        variables = _variables(model)
        if [tuple(one.shape) for one in variables] != [value.shape for value in values]:
            return 0
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.losses = losses
        return len(losses)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Write the state, as a whole or not at all."""
        self.losses.append({name: float(value) for name, value in (logs or {}).items()})
        values = [np.asarray(one.numpy()) for one in _variables(self.model)]
        partial = self._path.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.savez(
                stream,
                key=np.asarray(self._key),
                count=np.asarray(len(values)),
                losses=np.asarray(json.dumps(self.losses)),
                **{f"v{place}": value for place, value in enumerate(values)},  # type: ignore[arg-type]
            )
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self._path)


def _variables(model: keras.Model) -> list[Any]:
    """Return all that changes while a model is fitted, but for what its metrics count, in an order that repeats."""
    counted = {id(one) for metric in model.metrics for one in metric.variables}
    own = [one for one in model.variables if id(one) not in counted]
    return [*own, *model.optimizer.variables]

"""Learning rates over a run, and the optimizers that follow them."""

import math
from typing import Any

import keras

from training.recipe.recipe import FitSettings

_WARM_UP = 0.1
"""Share of the steps in which a cosine schedule climbs."""
_COSINE_END = 0.01
_ONE_CYCLE_CLIMB = 0.3
_ONE_CYCLE_START = 1 / 25
_ONE_CYCLE_END = 1 / 25e4
"""Of one cycle (Smith 2018, "A disciplined approach to neural network hyper-parameters"), with fastai's numbers:
climb over 30 % of the steps from a 25th of the rate, then fall to next to nothing, both along a cosine."""


class Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The learning rate of every step: the main epochs by the recipe's schedule, then the last ones at theirs."""

    def __init__(self, settings: FitSettings, steps_per_epoch: int) -> None:
        super().__init__()
        self._settings = settings
        self._steps = max(1, settings.epochs * steps_per_epoch)

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step, counted from 0."""
        ops = keras.ops
        done = ops.cast(step, "float32") / float(self._steps)
        main = self._settings.learning_rate * self._share(ops.minimum(done, 1.0))
        last = ops.cast(self._settings.last_learning_rate, "float32")
        return ops.where(ops.cast(step, "float32") < float(self._steps), main, last)

    def _share(self, done: Any) -> Any:
        """Return the share of the main rate at a share of the main steps."""
        if self._settings.schedule == "cosine":
            return _climb_and_fall(done, _WARM_UP, 0.05, _COSINE_END, straight=True)
        if self._settings.schedule == "one-cycle":
            return _climb_and_fall(done, _ONE_CYCLE_CLIMB, _ONE_CYCLE_START, _ONE_CYCLE_END, straight=False)
        return keras.ops.ones_like(done)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras writes down about a schedule."""
        return {"settings": self._settings.model_dump(mode="json"), "steps": self._steps}


def _climb_and_fall(done: Any, climb: float, start: float, end: float, *, straight: bool) -> Any:
    ops = keras.ops
    rising = done / climb
    if not straight:
        rising = (1 - ops.cos(math.pi * rising)) / 2
    falling = (1 + ops.cos(math.pi * (done - climb) / (1 - climb))) / 2
    return ops.where(done < climb, start + (1 - start) * rising, end + (1 - end) * falling)


def optimizer(settings: FitSettings, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer; with ``average`` it keeps a moving average of the weights."""
    common: dict[str, Any] = {"learning_rate": Rates(settings, steps_per_epoch)}
    if settings.average:
        common |= {"use_ema": True, "ema_momentum": settings.average}
    if settings.optimizer == "sgd":
        return keras.optimizers.SGD(**common)
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(**common)
    made = keras.optimizers.AdamW(weight_decay=settings.weight_decay, **common)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made

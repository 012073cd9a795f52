"""Learning rates follow the recipe, step by step."""

import keras
import numpy as np
import pytest

from training.fit.optimizers import Rates, optimizer
from training.recipe.recipe import FitSettings


def _rates(steps_per_epoch: int, **settings: object) -> np.ndarray:
    fit = FitSettings.model_validate(settings)
    count = (fit.epochs + fit.last_epochs) * steps_per_epoch
    return np.asarray([float(Rates(fit, steps_per_epoch)(step)) for step in range(count)])


def test_the_coronahack_recipe_trains_40_epochs_at_one_rate_and_2_at_half_of_it() -> None:
    rates = _rates(3, epochs=40, last_epochs=2, schedule="constant", learning_rate=4e-4, last_learning_rate=2e-4)
    assert rates[:120] == pytest.approx(4e-4)
    assert rates[120:] == pytest.approx(2e-4)
    assert len(rates) == 126


def test_one_cycle_climbs_over_three_tenths_and_falls_to_nothing() -> None:
    rates = _rates(10, epochs=10, schedule="one-cycle", learning_rate=3e-3)
    assert rates[0] == pytest.approx(3e-3 / 25)
    assert int(rates.argmax()) == 30
    assert rates.max() == pytest.approx(3e-3)
    assert rates[-1] < 3e-6
    assert (np.diff(rates[:30]) > 0).all()
    assert (np.diff(rates[31:]) < 0).all()


def test_a_cosine_warms_up_and_falls() -> None:
    rates = _rates(10, epochs=10, schedule="cosine", learning_rate=1.0)
    assert int(rates.argmax()) == 10
    assert rates[-1] < 0.02


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", keras.optimizers.Adam), ("adamw", keras.optimizers.AdamW), ("sgd", keras.optimizers.SGD)],
)
def test_the_optimizer_is_the_recipes(name: str, kind: type) -> None:
    made = optimizer(FitSettings.model_validate({"optimizer": name, "average": 0.0}), 5)
    assert type(made) is kind
    assert not made.use_ema
    assert optimizer(FitSettings(average=0.9), 5).ema_momentum == 0.9

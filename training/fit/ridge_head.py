"""Ridge heads: a last layer fitted by logistic regression on what a network makes of the images.

Mined labels err and rare ones are few, so a head that is fitted along with the features fits their noise. The same
features with a strongly held last layer separate better; it costs one pass over the images.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from training.data.examples import Example
from training.fit import head_targets
from training.fit.features import Features
from training.networks.mobilenet import POOLED, TRUNK_END
from training.recipe.recipe import HeadSettings

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

_BATCH = 32
_COPIES = 2
_MOST_STEPS = 500
_LEAST_SPREAD = 1e-3

Floats = NDArray[np.float32]


def fit_ridge_heads(
    network: keras.Model, heads: Sequence[HeadSettings], examples: Sequence[Example], features: Features
) -> None:
    """Replace the last layer of every head that asks for it, in place.

    Parameters
    ----------
    network
        As :func:`training.networks.mobilenet.build` makes it, fitted.
    heads
        All heads of the recipe; those with ``refit`` above 0 are changed.
    examples, features
        The training pictures and their trunk maps; each picture's first and middle altered copies are looked at.
    """
    wanted = [head for head in heads if head.refit]
    if not wanted:
        return
    seam, pooled = network.get_layer(TRUNK_END).output, network.get_layer(POOLED).output
    copies = sorted({0, features.variants // _COPIES})
    seen = [_seen(keras.Model(seam, pooled), features, copy) for copy in copies]
    middle, spread = seen[0].mean(axis=0), seen[0].std(axis=0) + _LEAST_SPREAD
    for head in wanted:
        targets = head_targets.targets(examples, head)
        classes = len(head.classes)
        columns = [
            _column(
                np.concatenate([(part - middle) / spread for part in seen]),
                np.tile(targets[:, place], len(seen)) > 0.5,
                np.tile(targets[:, classes + place], len(seen)),
                head,
                place,
            )
            for place in range(classes)
        ]
        kernel = np.stack([weights for weights, _ in columns], axis=1) / spread[:, None]
        bias = np.asarray([offset for _, offset in columns]) - middle @ kernel
        network.get_layer(f"head_{head.name}").set_weights([kernel.astype(np.float32), bias.astype(np.float32)])


def _seen(pool: keras.Model, features: Features, copy: int) -> Floats:
    count = len(features.maps)
    parts = [range(at, min(at + _BATCH, count)) for at in range(0, count, _BATCH)]
    return np.concatenate(
        [np.asarray(pool.predict_on_batch(features.batch(part, [copy] * len(part)))) for part in parts]
    )


def _column(
    seen: Floats, truth: NDArray[np.bool_], weight: Floats, head: HeadSettings, place: int
) -> tuple[NDArray[np.float64], float]:
    known = weight > 0
    if truth[known].all() or not truth[known].any():
        raise DataError(
            f"{head.classes[place]} is the same on every training picture: leave it out of head {head.name}"
        )
    ridge = fit_ridge(seen[known], truth[known], weight[known], head)
    return np.asarray(ridge.coef_[0], np.float64), float(ridge.intercept_[0])


def fit_ridge(features: Floats, truth: NDArray[Any], weight: Floats, head: HeadSettings) -> "LogisticRegression":
    """Fit a head's logistic regression, held with the strength that its ``refit`` says.

    Parameters
    ----------
    features
        (n, f), standardised.
    truth
        (n), yes or no of one answer; or the index of one class among exclusive ones.
    weight
        (n), above 0: what each image counts.
    head
        Whose answers these are.
    """
    from sklearn.linear_model import LogisticRegression

    # Yes and no of an independent answer weigh alike; exclusive classes are weighed by the head's ``balance``.
    balanced = "balanced" if head.activation == "sigmoid" else None
    ridge = LogisticRegression(C=head.refit, class_weight=balanced, max_iter=_MOST_STEPS)
    return ridge.fit(features, truth, sample_weight=weight / weight.mean())

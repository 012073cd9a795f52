"""Linear probes: only the last layer is fitted, by ridge logistic regression, on features that stay as they are.

Features of each image's altered copies are kept in the work folder, so that folds share them and a run that was
stopped goes on at the image it had reached.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example, Split
from training.fit import head_targets
from training.fit.features import Features, compute
from training.fit.result import FitResult, Progress
from training.fit.ridge_head import fit_ridge
from training.fit.tensorboard import loss_writer
from training.networks import levels
from training.networks.backbone import Weights
from training.networks.keras_weights import read_backbone
from training.recipe.recipe import HeadSettings, Recipe

_LEAST_SPREAD = 1e-3
_SMALLEST = 1e-12

Floats = NDArray[np.float32]


def fit_network(recipe: Recipe, split: Split, *, start: Path | None, work: Path, progress: Progress) -> FitResult:
    """Fit a linear probe of the registry on the training part, from the weights file that its backbone starts from."""
    weights = read_backbone(start, work)
    result = fit_linear_probe(recipe, split.training, weights=weights, work=work, progress=progress)
    loss_writer(work, recipe)(1, result.losses[0])
    return result


def fit_linear_probe(
    recipe: Recipe, examples: Sequence[Example], *, weights: Weights | None, work: Path, progress: Progress
) -> FitResult:
    """Fit every head of the recipe on what is known about the examples.

    Parameters
    ----------
    recipe
        Its heads are softmax heads with ``refit``, the inverse strength of the ridge.
    examples
        The training part.
    weights
        Of the backbone; None leaves it at random.
    work
        A folder for what may be thrown away.
    progress
        Told how many pictures are done.
    """
    keras.utils.set_random_seed(recipe.seed)
    network = levels.build(recipe.network, recipe.heads, weights)
    features = compute(
        levels.extractor(network), recipe, examples, altered=True, cache=work, progress=progress, what="pictures"
    )
    seen = _seen(features, len(examples))
    middle, spread = seen.mean(axis=0), seen.std(axis=0) + _LEAST_SPREAD
    seen -= middle
    seen /= spread
    losses = {}
    for head in recipe.heads:
        kernel, bias, losses[f"{head.name}_loss"] = _ridge(seen, examples, head, features.variants)
        kernel /= spread[:, None]
        network.get_layer(head.name).set_weights([kernel, bias - middle @ kernel])
    return FitResult(network, (losses,))


def _seen(features: Features, count: int) -> Floats:
    """Return the features of all copies, the pictures of the first copy first: (variants * count, features)."""
    return np.concatenate([features.batch(range(count), [copy] * count) for copy in range(features.variants)])


def _ridge(seen: Floats, examples: Sequence[Example], head: HeadSettings, copies: int) -> tuple[Floats, Floats, float]:
    """Return (kernel, bias, cross-entropy) of one head on standardised features."""
    targets = np.tile(head_targets.targets(examples, head), (copies, 1))
    classes = len(head.classes)
    truth, weight = targets[:, :classes].argmax(axis=1), targets[:, classes]
    known = weight > 0
    ridge = fit_ridge(seen[known], truth[known], weight[known], head)
    shares = ridge.predict_proba(seen[known])[np.arange(int(known.sum())), truth[known]]
    kernel, bias = ridge.coef_.T, ridge.intercept_
    if classes == 2:  # scikit-learn fits the one against the other
        kernel, bias = np.concatenate([-kernel, kernel], axis=1) / 2, np.concatenate([-bias, bias]) / 2
    loss = float(np.average(-np.log(np.maximum(shares, _SMALLEST)), weights=weight[known]))
    return kernel.astype(np.float32), bias.astype(np.float32), loss

"""Fitting a segmentation network to changed films."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from inference.anatomy.structures import STRUCTURES
from training.anatomy.draw_changes import ChangedFilms
from training.anatomy.unet import build, loss
from training.fit.result import Progress, silent

_REPORT = 20
"""Steps between two words of progress."""


def fit(
    films: ChangedFilms,
    *,
    widths: Sequence[int],
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    progress: Progress = silent,
) -> keras.Model:
    """Return a network fitted to changed films.

    Each epoch starts anew (Loshchilov 2017, "SGDR"): AdamW with a short warm-up, then a cosine down to nothing. A run
    of fewer epochs is then the beginning of a longer one.

    Parameters
    ----------
    films
        What it learns from.
    widths
        Channels, see :func:`training.anatomy.unet.build`.
    epochs, batch, learning_rate, seed
        As their names say.
    progress
        Called with (what, done, of).
    """
    keras.utils.set_random_seed(seed)
    network = build(films.images.shape[1], widths, len(STRUCTURES))
    rng, steps = np.random.default_rng(seed), max(1, len(films.images) // batch)
    for epoch in range(epochs):
        one_epoch(
            network,
            films,
            rng.permutation(len(films.images)),
            batch=batch,
            learning_rate=learning_rate,
            told=_counted(progress, epoch * steps, epochs * steps),
        )
    return network


def one_epoch(
    network: keras.Model,
    films: ChangedFilms,
    order: NDArray[np.int64],
    *,
    batch: int,
    learning_rate: float,
    told: Callable[[int], None],
) -> None:
    """Let a network see all films once, in this order; ``told`` is called with the steps done."""
    steps = max(1, len(order) // batch)
    warm = max(1, steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, max(1, steps - warm), warmup_target=learning_rate, warmup_steps=warm
    )
    network.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss=loss)
    scale = np.float32(1 / 255)
    for step in range(steps):
        at = order[step * batch : (step + 1) * batch]
        images, shares = (part[at].astype(np.float32) * scale for part in (films.images, films.shares))
        network.train_on_batch(images, shares)
        if (step + 1) % _REPORT == 0 or step + 1 == steps:
            told(step + 1)


def _counted(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    """Return what tells the steps of one epoch as steps of the whole run."""
    return lambda done: progress("steps", before + done, total)

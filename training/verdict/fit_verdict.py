"""Fitting a verdict network to drawn samples."""

from collections.abc import Sequence

import keras
import numpy as np

from training.fit.result import Progress, silent
from training.verdict.draw_samples import Samples
from training.verdict.network import build, loss

_WORTH_COMPILING = 200
"""From so many steps on, compiling them takes less time than it saves."""


def fit(
    samples: Samples,
    *,
    widths: Sequence[int],
    dropout: float,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    progress: Progress = silent,
) -> keras.Model:
    """Return a network fitted to samples: AdamW, a short warm-up, then a cosine down to nothing."""
    keras.utils.set_random_seed(seed)
    side = samples.images.shape[1]
    network = build(side, widths, dropout)
    steps = max(1, len(samples.images) // batch) * epochs
    warm = max(1, steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, max(1, steps - warm), warmup_target=learning_rate, warmup_steps=warm
    )
    network.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss=loss, jit_compile=steps > _WORTH_COMPILING)
    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        order = rng.permutation(len(samples.images))
        for start in range(0, steps // epochs * batch, batch):
            at = order[start : start + batch]
            network.train_on_batch(samples.images[at].astype(np.float32) / np.float32(255), samples.targets[at])
        progress("epochs", epoch + 1, epochs)
    return network

"""Fitting a verdict network to drawn samples."""

from collections.abc import Sequence

import keras
import numpy as np

from training.learnt import Progress, silent
from training.verdict.draw_samples import Samples
from training.verdict.network import build, loss


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
    said: object = None,
) -> keras.Model:
    """Return a network fitted to samples: AdamW, a short warm-up, then a cosine down to nothing."""
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    side = samples.images.shape[1]
    network = build(side, widths, dropout)
    count = len(samples.images) // batch * batch
    steps = max(1, count // batch) * epochs
    warm = max(1, steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, max(1, steps - warm), warmup_target=learning_rate, warmup_steps=warm
    )
    network.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss=loss, jit_compile=True)
    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        order = rng.permutation(len(samples.images))[: max(count, 1)]
        data = (
            tf.data.Dataset.from_tensor_slices(order)
            .batch(batch)
            .map(
                lambda index: tf.numpy_function(
                    lambda at: (samples.images[at].astype(np.float32) / 255, samples.targets[at]),
                    [index],
                    [tf.float32, tf.float32],
                ),
                deterministic=True,
            )
            .map(
                lambda image, truth: (
                    tf.ensure_shape(image, (None, side, side, 1)),
                    tf.ensure_shape(truth, (None, samples.targets.shape[1])),
                )
            )
            .prefetch(2)
        )
        network.fit(data, verbose=0)
        progress("epochs", epoch + 1, epochs)
        if said:
            import time

            said(f"epoch {epoch} {network.history.history['loss']} {time.time()}")
    return network

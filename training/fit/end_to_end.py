"""Fitting a whole network on pictures: the published classifiers, where nothing is frozen.

Every epoch sees every training picture once, altered anew. The weights that remain are those after the last epoch, or
their moving average where the recipe asks for one: no epoch is chosen by its validation figures, so validation stays
fit for calibration. The test part is never looked at.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from config.errors import DataError, SettingsError
from config.logs import get_logger
from inference.pixels import to_model_input
from training.data.examples import Example, Split
from training.data.image_files import read_picture
from training.data.known_labels import is_known
from training.fit import cache_key, head_targets
from training.fit.checkpoint import Checkpoint
from training.fit.optimizers import optimizer
from training.fit.result import FitResult, Progress
from training.fit.tensorboard import log_folder
from training.networks.augmentation import augmentation
from training.recipe.recipe import Recipe

_FLOAT = "float32"
_log = get_logger(__name__)


def fit_network(recipe: Recipe, split: Split, *, start: Path | None, work: Path, progress: Progress) -> FitResult:
    """Fit a network of the registry end to end, from the weights file that it starts from."""
    return fit_end_to_end(recipe, split, weights=start, work=work, progress=progress)


def fit_end_to_end(
    recipe: Recipe,
    split: Split,
    *,
    weights: Path | None,
    work: Path,
    progress: Progress,
    devices: Sequence[str] = (),
) -> FitResult:
    """Fit a recipe's network on the pictures of a split; one that was killed goes on after its last whole epoch.

    Parameters
    ----------
    recipe
        What to fit, and how.
    split
        Training examples and, where there are some, validation examples; those that no head knows are left out.
    weights
        What the network starts from, as its builder takes it; None starts at random.
    work
        A folder for what may be thrown away: the state of an unfinished run, and TensorBoard's logs.
    progress
        Told each step of each epoch.
    devices
        What a batch is shared among, in TensorFlow's names; all GPUs when there are two or more, by default.

    Raises
    ------
    DataError
        When no training picture is left, or one cannot be read.
    """
    training = [example for example in split.training if is_known(example, recipe.heads)]
    validation = [example for example in split.validation if is_known(example, recipe.heads)]
    if not training:
        classes = ", ".join(recipe.classes)
        raise DataError(f"no training picture is known to be any of {classes}: check the labels of data and recipe")
    work.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    key = cache_key.fit_key(recipe, {"training": training, "validation": validation}, cache_key.of_file(weights))
    with _shared(devices), _precision(recipe):
        network = build(recipe, weights)
        losses, forget = _learn(recipe, network, training, validation, work, key, progress)
    final = build(recipe, weights)  # in full precision, on one device
    final.set_weights(network.get_weights())
    if not all(np.isfinite(value).all() for value in final.get_weights()):
        forget()
        raise SettingsError("the fit ran away, its weights are no numbers any more: lower the learning rate")
    return FitResult(final, tuple(losses), forget=forget)


def _learn(
    recipe: Recipe,
    network: keras.Model,
    training: Sequence[Example],
    validation: Sequence[Example],
    work: Path,
    key: str,
    progress: Progress,
) -> tuple[list[dict[str, float]], Callable[[], None]]:
    """Change a network's weights, from where a stopped run of this key was; return its losses and what forgets it."""
    steps = max(1, len(training) // recipe.fit.batch)
    epochs = recipe.fit.epochs + recipe.fit.last_epochs
    trainer = _trainer(recipe, network, steps)
    checkpoint = Checkpoint.of(work, key, _changing(trainer))
    losses = checkpoint.restore()
    if losses:
        _log.info("going on with a run that was stopped", outcome=f"after epoch {len(losses)} of {epochs}")
    prepare = _Pictures(recipe, progress)
    # What keeps the state comes last, so that an epoch counts as done when all is done.
    callbacks = [
        _Reporter(progress, steps, epochs),
        keras.callbacks.TensorBoard(str(log_folder(work, recipe)), write_graph=False),
        _Keeper(checkpoint, losses),
    ]
    # With ``average``, Keras gives the network the average when this returns, also where no epoch was left.
    trainer.fit(
        prepare.shuffled(training, len(losses), epochs),
        steps_per_epoch=steps,
        initial_epoch=len(losses),
        epochs=epochs,
        validation_data=prepare.ordered(validation) if validation else None,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    return losses, checkpoint.forget


def build(recipe: Recipe, weights: Path | None) -> keras.Model:
    """Build a recipe's network: (n, side, side, 1) grey 0..1 in, a list of vectors of logits out, one a head."""
    return recipe.network_kind.build(recipe.network, recipe.heads, weights)


def model_input(recipe: Recipe, example: Example) -> NDArray[np.float32]:
    """Return an example's picture as serving gives it to the network, (side, side, 1), 0..1.

    Raises :class:`DataError` when it cannot be read.
    """
    side = recipe.network.side
    return to_model_input(read_picture(example.path), side, side, recipe.network.contrast)[0]


class _Pictures:
    """Batches of pictures with what each head should answer. Pictures are decoded once and kept as bytes."""

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        self._recipe = recipe
        self._progress = progress

    def shuffled(self, examples: Sequence[Example], first: int, epochs: int) -> Any:
        """Return the batches of the epochs from ``first`` on; an epoch's order follows from the seed and its number.

        What does not fill a batch is left out, each epoch something else: batch normalisation needs whole ones.
        """
        import tensorflow as tf

        count, size, seed = len(examples), min(self._recipe.fit.batch, len(examples)), self._recipe.seed

        def order(epoch: Any) -> Any:
            places = tf.random.experimental.stateless_shuffle(tf.range(count), seed=[seed, epoch])
            return tf.data.Dataset.from_tensor_slices(places).batch(size, drop_remainder=True)

        epochs_ = tf.data.Dataset.range(first, epochs, output_type=tf.int32)
        return self._batches(epochs_.flat_map(order), examples, "training pictures", weigh=True)

    def ordered(self, examples: Sequence[Example]) -> Any:
        """Return the examples once, in order."""
        import tensorflow as tf

        places = tf.data.Dataset.range(len(examples), output_type=tf.int32).batch(self._recipe.fit.batch)
        return self._batches(places, examples, "validation pictures", weigh=False)

    def _batches(self, places: Any, examples: Sequence[Example], what: str, *, weigh: bool) -> Any:
        import tensorflow as tf

        side = self._recipe.network.side
        pictures = np.empty((len(examples), side, side, 1), np.uint8)
        for place, example in enumerate(examples):
            pictures[place] = np.rint(model_input(self._recipe, example) * 255)
            self._progress(what, place + 1, len(examples))
        with tf.device("CPU:0"):
            kept = tf.constant(pictures)
            truths = {
                head.name: tf.constant(head_targets.targets(examples, head, weigh=weigh)) for head in self._recipe.heads
            }

        def fetch(rows: Any) -> Any:
            grey = tf.cast(tf.gather(kept, rows), tf.float32) / 255.0
            return grey, {name: tf.gather(truth, rows) for name, truth in truths.items()}

        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return places.map(fetch, num_parallel_calls=2, deterministic=True).with_options(options).prefetch(2)


class _Reporter(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells how many of all steps are done, and logs what each epoch came to."""

    def __init__(self, progress: Progress, steps: int, epochs: int) -> None:
        super().__init__()
        self._progress = progress
        self._steps = steps
        self._epochs = epochs
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        self._progress("training steps", self._epoch * self._steps + batch + 1, self._epochs * self._steps)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        losses = " ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        _log.info(f"epoch {epoch + 1} of {self._epochs}", outcome=losses)


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps what every epoch leaves behind, so that a run that is killed and started again ends where it would have."""

    def __init__(self, checkpoint: Checkpoint, losses: list[dict[str, float]]) -> None:
        super().__init__()
        self._checkpoint = checkpoint
        self._losses = losses

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        self._losses.append({name: float(value) for name, value in (logs or {}).items()})
        self._checkpoint.save(self._losses)


def _trainer(recipe: Recipe, network: keras.Model, steps: int) -> keras.Model:
    """Return the network behind its augmentation, with named outputs, compiled and built."""
    picture = keras.Input(network.input_shape[1:], name="picture")
    answers = network(augmentation(recipe.augment, recipe.seed)(picture))
    answers = answers if isinstance(answers, list) else [answers]
    names = [head.name for head in recipe.heads]
    trainer = keras.Model(picture, dict(zip(names, answers, strict=True)), name="trainer")
    trainer.compile(
        optimizer=optimizer(recipe.fit, steps),
        loss={head.name: head_targets.loss(head) for head in recipe.heads},
        loss_weights={head.name: head.weight for head in recipe.heads},
        metrics={head.name: [head_targets.Accuracy(head)] for head in recipe.heads},
        # On processors compiling takes its time and was measured to gain nothing.
        jit_compile="auto" if _gpus() else False,
    )
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _changing(model: keras.Model) -> list[Any]:
    """Return all that changes while a model is fitted, but for what its metrics count, in an order that repeats."""
    counted = {id(one) for metric in model.metrics for one in metric.variables}
    return [*(one for one in model.variables if id(one) not in counted), *model.optimizer.variables]


def _gpus() -> list[str]:
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices("GPU")]


@contextlib.contextmanager
def _shared(devices: Sequence[str]) -> Iterator[None]:
    """Share batches among devices, where there are several."""
    import tensorflow as tf

    devices = list(devices) or _gpus()
    if len(devices) < 2:
        yield
        return
    with tf.distribute.MirroredStrategy(list(devices)).scope():
        yield


@contextlib.contextmanager
def _precision(recipe: Recipe) -> Iterator[None]:
    """Compute in the recipe's precision: by default in half precision on GPUs and in full precision elsewhere."""
    before = keras.config.dtype_policy()
    wanted: str = recipe.fit.precision
    if wanted == "auto":
        wanted = "mixed_float16" if _gpus() else _FLOAT
    keras.config.set_dtype_policy(wanted)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)

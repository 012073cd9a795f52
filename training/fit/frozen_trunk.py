"""Fitting on a frozen trunk: its maps in, the layers above it learn, the averaged weights come out.

A run that was stopped goes on at the epoch it had reached: everything an epoch changes is kept in the work folder.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from config.errors import SettingsError
from config.logs import get_logger
from training.data.examples import Example, Split
from training.fit import cache_key, detector_targets, head_targets
from training.fit.checkpoint import Checkpoint
from training.fit.features import Features, compute
from training.fit.result import FitResult, Progress
from training.fit.ridge_head import fit_ridge_heads
from training.fit.tensorboard import loss_writer
from training.networks import mobilenet
from training.networks.backbone import Weights, layer_names
from training.networks.keras_weights import read_backbone
from training.recipe.recipe import FitSettings, Recipe

_WARM_UP = 0.1
"""Share of the steps in which the learning rate climbs."""

_log = get_logger(__name__)

EpochDone = Callable[[int, int, dict[str, float]], None]
"""Called with (epoch, of, mean losses)."""


def fit_network(recipe: Recipe, split: Split, *, start: Path | None, work: Path, progress: Progress) -> FitResult:
    """Fit a network of the registry on the training part, from the weights file that its backbone starts from."""
    write_losses = loss_writer(work, recipe)

    def epoch_done(epoch: int, of: int, losses: dict[str, float]) -> None:
        progress("epochs", epoch, of)
        write_losses(epoch, losses)
        words = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
        _log.info(f"epoch {epoch} of {of}", outcome=words)

    return fit_frozen_trunk(
        recipe,
        split.training,
        weights=read_backbone(start, work),
        work=work,
        progress=progress,
        epoch_done=epoch_done,
    )


def fit_frozen_trunk(
    recipe: Recipe,
    examples: Sequence[Example],
    *,
    weights: Weights | None,
    work: Path,
    progress: Progress,
    epoch_done: EpochDone,
) -> FitResult:
    """Fit the network on all that is known about the examples.

    Everything above the trunk learns from the first step on, the new layers at a higher rate than the backbone bears.
    The rates climb, then fall as a cosine, and the weights that remain are the moving average.

    Raises
    ------
    SettingsError
        When the weights are no numbers in the end.
    """
    keras.utils.set_random_seed(recipe.seed)
    network = mobilenet.build(recipe, weights)
    trunk, rest = mobilenet.split(network)
    maps = compute(trunk, recipe, examples, altered=True, cache=work, progress=progress, what="pictures")
    batches = Batches(recipe, examples, maps)
    learner = Learner(rest, recipe, steps=recipe.fit.epochs * len(batches))
    started_with = "" if weights is None else cache_key.of_arrays(array for pair in weights for array in pair)
    checkpoint = Checkpoint.of(work, cache_key.fit_key(recipe, {"training": examples}, started_with), learner.state)
    epochs = checkpoint.restore()
    learner.done = len(epochs) * len(batches)
    for epoch in range(len(epochs), recipe.fit.epochs):
        batches.begin(epoch)
        steps = [learner.step(seen, targets) for seen, targets in batches.ahead()]
        epochs.append(dict(zip(learner.loss_names, np.mean(steps, axis=0).astype(float).tolist(), strict=True)))
        checkpoint.save(epochs)
        epoch_done(epoch + 1, recipe.fit.epochs, epochs[-1])
    learner.take_average()
    if not all(np.isfinite(value).all() for value in network.get_weights()):
        checkpoint.forget()
        raise SettingsError("the fit ran away, its weights are no numbers any more: lower the learning rates")
    fit_ridge_heads(network, recipe.heads, examples, maps)
    return FitResult(network, tuple(epochs), forget=checkpoint.forget)


class Learner:
    """One step after another, as one traced function: two optimizers, one for each learning rate, and an average."""

    def __init__(self, rest: keras.Model, recipe: Recipe, *, steps: int) -> None:
        import tensorflow as tf

        settings = recipe.fit
        self._settings = settings
        self.done = 0
        upper = {f"{name}/{kind}" for name in layer_names() for kind in ("kernel", "bias")}
        variables = rest.trainable_variables
        groups = (
            [one for one in variables if one.path not in upper],
            [one for one in variables if one.path in upper],
        )
        rates = (settings.head_learning_rate, settings.learning_rate)
        parts = [
            (_optimizer(settings, rate, steps, group), group)
            for rate, group in zip(rates, groups, strict=True)
            if group
        ]
        self._variables = [one for _, group in parts for one in group]
        self._averages = [tf.Variable(one.value) for one in self._variables]
        rates_and_moments = [one for part, _ in parts for one in part.variables]
        # What does not learn but changes all the same: where the dropouts' random numbers have got to.
        self.state = [*self._variables, *self._averages, *rates_and_moments, *rest.non_trainable_variables]
        terms = _terms(recipe)
        self.loss_names = [name for name, _, _ in terms]

        def step(maps: Any, targets: Any, momentum: Any) -> Any:
            with tf.GradientTape() as tape:
                answers = rest(maps, training=True)
                answers = answers if isinstance(answers, list) else [answers]  # Keras unpacks a single one
                parts_of_loss = [
                    keras.ops.mean(loss(target, answer))
                    for (_, loss, _), target, answer in zip(terms, targets, answers, strict=True)
                ]
                total = sum(part * factor for part, (_, _, factor) in zip(parts_of_loss, terms, strict=True))
            gradients = iter(tape.gradient(total, self._variables))
            for optimizer, group in parts:
                optimizer.apply([next(gradients) for _ in group])
            for average, variable in zip(self._averages, self._variables, strict=True):
                average.assign(average * momentum + variable.value * (1 - momentum))
            return keras.ops.stack(parts_of_loss)

        self._step = tf.function(step)
        self._tensor = tf.constant

    def step(self, maps: Any, targets: Any) -> NDArray[np.float32]:
        """Learn from one batch as :class:`Batches` gives it; return the losses."""
        self.done += 1
        # Young averages forget faster: the first weights are chance and should not linger.
        momentum = min(self._settings.average, (1 + self.done) / (10 + self.done))
        momentum = self._tensor(momentum if self._settings.average else 0.0, "float32")
        return np.asarray(self._step(maps, targets, momentum))

    def take_average(self) -> None:
        """Give the network the moving average of its weights."""
        for average, variable in zip(self._averages, self._variables, strict=True):
            variable.assign(average)


class Batches:
    """Batches of trunk maps with targets; each epoch takes each picture's next altered copy.

    Seeded by epoch, so that a run is repeated to the batch.
    """

    def __init__(self, recipe: Recipe, examples: Sequence[Example], features: Features) -> None:
        self._recipe = recipe
        self._features = features
        self._cells = recipe.network.side // mobilenet.STRIDE
        self._heads = [head_targets.targets(examples, head) for head in recipe.heads]
        self._boxes_known = detector_targets.boxes_known(examples, recipe.maps) if recipe.maps else None
        repeats = np.asarray([recipe.fit.read_repeats if example.read else 1 for example in examples])
        self._members = np.repeat(np.arange(len(examples)), repeats)
        self._turns = np.concatenate([np.arange(count) for count in repeats])
        self._repeats = repeats
        self.begin(0)

    def __len__(self) -> int:
        return max(1, len(self._members) // self._recipe.fit.batch)

    def begin(self, epoch: int) -> None:
        """Draw an epoch's order."""
        self._epoch = epoch
        self._order = np.random.default_rng((self._recipe.seed, epoch)).permutation(len(self._members))

    def ahead(self) -> Iterator[tuple[Any, Any]]:
        """Yield the epoch's batches in their order, the next one read while the last is learnt."""
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self.__getitem__, 0)
            for step in range(1, len(self) + 1):
                ready = coming.result()
                if step < len(self):
                    coming = reader.submit(self.__getitem__, step)
                yield ready

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        """Return (maps, targets): of the heads, then heat and box where the recipe has maps."""
        batch = self._recipe.fit.batch
        places = self._order[step * batch : (step + 1) * batch]
        members = self._members[places]
        variants = (self._epoch * self._repeats[members] + self._turns[places] + members) % self._features.variants
        maps = self._features.batch(members, variants)
        targets = [head[members] for head in self._heads]
        if self._boxes_known is not None:
            drawn = [self._features.boxes[index][variant] for index, variant in zip(members, variants, strict=True)]
            targets += detector_targets.batch(drawn, self._boxes_known[members], self._cells)
        return maps, tuple(targets)


def _terms(recipe: Recipe) -> list[tuple[str, Callable[[Any, Any], Any], float]]:
    """Return (name, loss, factor) of each output."""
    terms: list[tuple[str, Callable[[Any, Any], Any], float]] = [
        (f"{head.name}_loss", head_targets.loss(head), head.weight) for head in recipe.heads
    ]
    if recipe.maps:
        terms += [
            ("heat_loss", detector_targets.heat_loss, recipe.fit.heat_weight),
            ("box_loss", detector_targets.box_loss, recipe.fit.box_weight),
        ]
    return terms


def _optimizer(settings: FitSettings, rate: float, steps: int, variables: list[Any]) -> keras.optimizers.Optimizer:
    warm_up = max(1, round(_WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=rate * 0.05, decay_steps=max(1, steps - warm_up), alpha=0.01,
        warmup_target=rate, warmup_steps=warm_up,
    )  # fmt: skip
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, clipnorm=10.0)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(variables)
    return optimizer

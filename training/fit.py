"""Fitting: trunk maps in, the layers above it learn, the averaged weights come out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training import labels, model
from training.backbone import Weights, layer_names
from training.dataset import Radiograph
from training.features import Features, Progress, cells_of, compute
from training.recipe import FitSettings, Recipe

_WARM_UP = 0.1
"""Share of the steps in which the learning rate climbs."""
_LOSSES = (model.class_loss, model.heat_loss, model.box_loss, model.mined_loss)
_LOSS_NAMES = ("classes_loss", "heat_loss", "box_loss", "mined_loss")


@dataclass(frozen=True, slots=True)
class Learnt:
    """A fitted network and what an epoch's losses were."""

    network: keras.Model
    losses: tuple[dict[str, float], ...]


def fit(
    recipe: Recipe,
    strong: Sequence[Radiograph],
    weak: Sequence[Radiograph],
    *,
    weights: Weights | None,
    cache: Path,
    progress: Progress,
    epoch_done: Callable[[int, int, dict[str, float]], None],
) -> Learnt:
    """Fit the network on pictures that radiologists read, and lightly on pictures with mined labels.

    Everything above the trunk learns from the first step on, the new layers at a higher rate than the backbone bears.
    The rates climb, then fall as a cosine, and the weights that remain are the moving average.
    """
    keras.utils.set_random_seed(recipe.seed)
    network = model.build(recipe.model, weights)
    trunk, rest = model.split(network)
    common: dict[str, Any] = {
        "settings": recipe.augment, "seed": recipe.seed, "cache": cache, "progress": progress,
    }  # fmt: skip
    strong_maps = compute(trunk, strong, variants=recipe.augment.variants, what="pictures read", **common)
    read = Source(strong_maps, np.stack([labels.hard(row) for row in strong]), *_mined(strong))
    lesser = None
    if weak and recipe.data.weak_share > 0:
        weak_maps = compute(
            trunk, weak, variants=recipe.augment.weak_variants, what="pictures with mined labels", **common
        )
        mined = labels.MinedLabels(strong)
        lesser = Source(weak_maps, np.stack([mined.soft(row) for row in weak]), *_mined(weak))
    batches = Batches(recipe, read, lesser)
    settings = recipe.fit
    learner = Learner(rest, settings, steps=settings.epochs * len(batches))
    losses: list[dict[str, float]] = []
    for epoch in range(settings.epochs):
        steps = [learner.step(*batches[step]) for step in range(len(batches))]
        batches.on_epoch_end()
        losses.append(dict(zip(_LOSS_NAMES, np.mean(steps, axis=0).astype(float).tolist(), strict=True)))
        epoch_done(epoch + 1, settings.epochs, losses[-1])
    learner.take_average()
    return Learnt(network=model.served(network), losses=tuple(losses))


class Learner:
    """One step after another, as one traced function: two optimizers, one for each learning rate, and an average."""

    def __init__(self, rest: keras.Model, settings: FitSettings, *, steps: int) -> None:
        import tensorflow as tf

        self._settings = settings
        self._steps_done = 0
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
        factors = (settings.class_weight, settings.heat_weight, settings.box_weight, settings.mined_weight)

        def step(maps: Any, truths: Any, weights: Any, momentum: Any) -> Any:
            with tf.GradientTape() as tape:
                answers = rest(maps, training=True)
                losses = [
                    keras.ops.mean(loss(truth, answer) * weight)
                    for loss, truth, answer, weight in zip(_LOSSES, truths, answers, weights, strict=True)
                ]
                total = sum(loss * factor for loss, factor in zip(losses, factors, strict=True))
            gradients = iter(tape.gradient(total, self._variables))
            for optimizer, group in parts:
                optimizer.apply([next(gradients) for _ in group])
            for average, variable in zip(self._averages, self._variables, strict=True):
                average.assign(average * momentum + variable.value * (1 - momentum))
            return keras.ops.stack(losses)

        self._step = tf.function(step)
        self._tensor = tf.constant

    def step(self, maps: Any, truths: Any, weights: Any) -> NDArray[np.float32]:
        """Learn from one batch as :class:`Batches` gives it; return the four losses."""
        self._steps_done += 1
        # Young averages forget faster: the first weights are chance and should not linger.
        momentum = min(self._settings.average, (1 + self._steps_done) / (10 + self._steps_done))
        momentum = self._tensor(momentum if self._settings.average else 0.0, "float32")
        return np.asarray(self._step(maps, truths, weights, momentum))

    def take_average(self) -> None:
        """Give the network the moving average of its weights."""
        for average, variable in zip(self._averages, self._variables, strict=True):
            variable.assign(average)


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures of one kind: trunk maps, class probabilities (n, 3), mined labels (n, 14), whether there are any."""

    features: Features
    classes: NDArray[np.float32]
    mined: NDArray[np.float32]
    has_mined: NDArray[np.float32]


def _mined(rows: Sequence[Radiograph]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    known = np.asarray([bool(row.nih_labels) for row in rows], np.float32)
    return np.stack([labels.mined(row, model.MINED) for row in rows]), known


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of trunk maps with targets and weights; each epoch takes each picture's next altered copy.

    Seeded by epoch, so that a run is repeated to the batch.
    """

    def __init__(
        self,
        recipe: Recipe,
        strong: Source,
        weak: Source | None,
    ) -> None:
        super().__init__()
        self._recipe = recipe
        self._sources = [strong] if weak is None or not recipe.data.weak_weight else [strong, weak]
        self._cells = cells_of(recipe.model.side)
        strong_count = len(strong.classes)
        self._weak_count = (
            min(len(self._sources[1].classes), round(recipe.data.weak_share * strong_count))
            if len(self._sources) > 1
            else 0
        )
        self._epoch = 0
        self._order = self._draw()

    def __len__(self) -> int:
        return max(1, (len(self._sources[0].classes) + self._weak_count) // self._recipe.fit.batch)

    def __getitem__(self, step: int) -> tuple[Any, Any, Any]:
        """Return (maps, (classes, heat, box, mined), one weight a picture for each of them)."""
        batch = self._recipe.fit.batch
        maps, classes, heats, boxes, mined, weights = [], [], [], [], [], []
        for source, index in self._order[step * batch : (step + 1) * batch]:
            part = self._sources[source]
            features = part.features
            variant = (self._epoch + index) % features.maps.shape[1]
            maps.append(features.maps[index, variant])
            classes.append(part.classes[index])
            mined.append(part.mined[index])
            heat, box = features.detector_targets(self._cells, index, variant)
            heats.append(heat)
            boxes.append(box)
            read = float(source == 0)
            weights.append((read or self._recipe.data.weak_weight, read, read, part.has_mined[index]))
        return (
            np.stack(maps).astype(np.float32),
            (np.stack(classes), np.stack(heats), np.stack(boxes), np.stack(mined)),
            tuple(np.asarray(weights, np.float32).T),
        )

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order."""
        self._epoch += 1
        self._order = self._draw()

    def _draw(self) -> list[tuple[int, int]]:
        rng = np.random.default_rng((self._recipe.seed, self._epoch))
        order = [(0, int(index)) for index in range(len(self._sources[0].classes))]
        if self._weak_count:
            drawn = rng.choice(len(self._sources[1].classes), self._weak_count, replace=False)
            order += [(1, int(index)) for index in drawn]
        return [order[place] for place in rng.permutation(len(order))]


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

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

_STRONG_WARM_UP = 0.1
"""Share of the steps in which the learning rate climbs."""


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

    First only the new layers learn, then everything above the trunk, then again only the new layers, which take a
    higher rate than the backbone bears, from the radiologists' reads alone. In each stage the rate climbs, then falls
    as a cosine, and the weights that remain are the moving average.
    """
    keras.utils.set_random_seed(recipe.seed)
    network = model.build(recipe.model, weights)
    trunk, rest = model.split(network)
    common: dict[str, Any] = {
        "settings": recipe.augment, "seed": recipe.seed, "cache": cache, "progress": progress,
    }  # fmt: skip
    strong_maps = compute(trunk, strong, variants=recipe.augment.variants, what="pictures read", **common)
    weak_maps = compute(trunk, weak, variants=recipe.augment.weak_variants, what="pictures with mined labels", **common)
    mined = labels.MinedLabels(strong)
    read = Source(strong_maps, np.stack([labels.hard(row) for row in strong]), *_mined(strong))
    everything = Batches(
        recipe,
        read,
        Source(weak_maps, np.stack([mined.soft(row) for row in weak]), *_mined(weak)) if weak else None,
    )
    settings = recipe.fit
    total = settings.head_epochs + settings.epochs + settings.last_epochs
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: epoch_done(epoch + 1, total, dict(logs or {}))
    )
    losses: list[dict[str, float]] = []
    upper = [name for name in layer_names() if name not in model.trunk_names()]
    alone = Batches(recipe, read, None)
    for epochs, rate, frozen, batches, mined_weight in (
        (settings.head_epochs, settings.head_learning_rate, True, everything, settings.mined_weight),
        (settings.epochs, settings.learning_rate, False, everything, settings.mined_weight),
        (settings.last_epochs, settings.last_learning_rate, True, alone, 0.0),
    ):
        if not epochs:
            continue
        model.freeze(network, upper, frozen=frozen)
        _compile(rest, settings, rate, steps=epochs * len(batches), mined_weight=mined_weight)
        start = len(losses)
        history = rest.fit(
            batches, initial_epoch=start, epochs=start + epochs, verbose=0, callbacks=[report], shuffle=False
        )
        losses += [
            dict(zip(history.history, values, strict=True)) for values in zip(*history.history.values(), strict=True)
        ]
    return Learnt(network=model.served(network), losses=tuple(losses))


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


def _compile(rest: keras.Model, settings: FitSettings, rate: float, *, steps: int, mined_weight: float) -> None:
    warm_up = max(1, round(_STRONG_WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=rate * 0.05, decay_steps=max(1, steps - warm_up), alpha=0.01,
        warmup_target=rate, warmup_steps=warm_up,
    )  # fmt: skip
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=settings.weight_decay, use_ema=settings.average > 0,
        ema_momentum=settings.average or 0.99, clipnorm=10.0,
    )  # fmt: skip
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    rest.compile(
        optimizer=optimizer,
        loss=[model.class_loss, model.heat_loss, model.box_loss, model.mined_loss],
        loss_weights=[settings.class_weight, settings.heat_weight, settings.box_weight, mined_weight],
    )

"""What an epoch holds, what a step learns, and that a seed repeats both."""

import keras
import numpy as np
import pytest

from training import model
from training.features import Features
from training.fit import Batches, Learner, Source
from training.recipe import ModelSettings, Recipe
from training.targets import ModelBox, encode

RECIPE = Recipe.model_validate(
    {
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "model": {"side": 96},
        "fit": {"batch": 4},
        "data": {"weak_share": 0.5, "weak_weight": 0.25},
    }
)


def _source(count: int, variants: int, mark: float) -> Source:
    maps = np.zeros((count, variants, 12, 12, 2), np.float16)
    maps += mark + np.arange(variants, dtype=np.float16)[None, :, None, None, None]
    box = (ModelBox(0.5, 0.5, 0.2, 0.2),)
    return Source(
        features=Features(maps, ((box,) * variants,) * count),
        classes=np.eye(3, dtype=np.float32)[np.arange(count) % 3],
        mined=np.zeros((count, 14), np.float32),
        has_mined=np.ones(count, np.float32),
    )


@pytest.fixture
def batches() -> Batches:
    return Batches(RECIPE, _source(8, 3, 0.0), _source(20, 1, 100.0))


def test_an_epoch_has_every_read_picture_once_and_its_share_of_mined_ones(batches: Batches) -> None:
    assert len(batches) == 3
    marks = np.concatenate([batches[step][0][:, 0, 0, 0] for step in range(3)])
    assert (marks < 50).sum() == 8
    assert (marks > 50).sum() == 4


def test_mined_pictures_teach_classes_lightly_and_boxes_not_at_all(batches: Batches) -> None:
    for step in range(3):
        maps, targets, (classes, heat, box, mined) = batches[step]
        read = maps[:, 0, 0, 0] < 50
        assert np.allclose(classes, np.where(read, 1, 0.25))
        assert np.allclose(heat, read)
        assert np.allclose(box, read)
        assert np.allclose(mined, 1)
        assert [target.shape[1:] for target in targets] == [(3,), (6, 6, 1), (6, 6, 6), (14,)]


def test_each_epoch_takes_the_next_altered_copy(batches: Batches) -> None:
    def copies() -> set[float]:
        marks = np.concatenate([batches[step][0][:, 0, 0, 0] for step in range(3)])
        return {float(mark) for mark in marks if mark < 50}

    seen = copies()
    batches.on_epoch_end()
    assert seen | copies() == {0.0, 1.0, 2.0}


def test_the_same_seed_gives_the_same_batches(batches: Batches) -> None:
    again = Batches(RECIPE, _source(8, 3, 0.0), _source(20, 1, 100.0))
    for _ in range(2):
        for step in range(3):
            assert np.array_equal(batches[step][0], again[step][0])
        batches.on_epoch_end()
        again.on_epoch_end()


def test_without_weight_mined_pictures_stay_out() -> None:
    data = RECIPE.data.model_copy(update={"weak_weight": 0.0})
    alone = Batches(RECIPE.model_copy(update={"data": data}), _source(8, 3, 0.0), _source(20, 1, 100.0))
    assert len(alone) == 2


def _learnt(seed: int, *, average: float, steps: int) -> tuple[keras.Model, list[np.ndarray], np.ndarray]:
    """Return the network, each step's losses, and the kernel of its heat layer before the average is taken."""
    keras.utils.set_random_seed(seed)
    network = model.build(ModelSettings(side=96, neck=16, dropout=0, map_dropout=0))
    model.freeze(network, model.trunk_names())
    trunk, rest = model.split(network)
    rng = np.random.default_rng(0)
    maps = np.asarray(trunk(rng.random((4, 96, 96, 1), np.float32)))
    targets = encode([ModelBox(0.4, 0.6, 0.3, 0.3)], 6)
    truths = (
        np.eye(3, dtype=np.float32)[[0, 1, 2, 2]],
        np.stack([targets.heat] * 4),
        np.stack([targets.box] * 4),
        np.zeros((4, 14), np.float32),
    )
    weights = tuple(np.ones((4, 4), np.float32))
    rates = {"learning_rate": 1e-3, "head_learning_rate": 1e-2, "average": average}
    learner = Learner(rest, RECIPE.fit.model_copy(update=rates), steps=steps)
    losses = [learner.step(maps, truths, weights) for _ in range(steps)]
    last = network.get_layer("heat").get_weights()[0]
    learner.take_average()
    return network, losses, last


def test_a_batch_seen_again_and_again_is_learnt_and_the_trunk_stays() -> None:
    keras.utils.set_random_seed(3)
    before = model.build(ModelSettings(side=96, neck=16, dropout=0, map_dropout=0))
    network, losses, _ = _learnt(3, average=0.0, steps=40)

    def moved(name: str) -> float:
        pairs = zip(before.get_layer(name).get_weights(), network.get_layer(name).get_weights(), strict=True)
        return max(float(np.abs(new - old).max()) for old, new in pairs)

    assert losses[-1].sum() < 0.8 * losses[0].sum()
    assert not [name for name in model.trunk_names() if moved(name)]
    assert moved("heat") > 2 * moved("block_14_expand") > 0, "new layers learn faster than the backbone"


def test_what_remains_is_the_average_and_a_seed_repeats_it() -> None:
    (network, _, last), (again, *_) = (_learnt(5, average=0.9, steps=5) for _ in range(2))
    averaged = network.get_layer("heat").get_weights()[0]
    assert not np.allclose(last, averaged, atol=1e-6)
    assert np.allclose(averaged, again.get_layer("heat").get_weights()[0], atol=1e-6)

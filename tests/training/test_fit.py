"""What an epoch holds, and that a seed repeats it."""

import numpy as np
import pytest

from training.features import Features
from training.fit import Batches, Source
from training.recipe import Recipe
from training.targets import ModelBox

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

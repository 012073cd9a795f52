"""What was learnt, and the scale of held-out films."""

import numpy as np
import pytest

from training.packaging.likeness.statistics import fit_learnt, quantiles


def test_images_drawn_like_the_learnt_ones_lie_at_about_1_and_others_farther() -> None:
    random = np.random.default_rng(0)
    mixing = random.normal(size=(10, 40)) / 3

    def images(count: int) -> np.ndarray:
        return random.normal(size=(count, 10)) @ mixing + 0.05 * random.normal(size=(count, 40)) + 2.0

    learnt = fit_learnt(images(800), directions=12)
    near = [learnt.distance(row) for row in images(200)]
    assert np.mean(near) == pytest.approx(1.0, abs=0.1)
    assert learnt.distance(images(1)[0] + 3 * random.normal(size=40)) > max(near)


def test_few_images_give_fewer_directions() -> None:
    learnt = fit_learnt(np.random.default_rng(0).normal(size=(6, 40)), directions=128)
    assert learnt.directions.shape == (40, 4)
    assert np.isfinite(learnt.distance(np.zeros(40)))


def test_every_source_counts_the_same_however_many_films_it_has() -> None:
    distances = [1.0 + 0.001 * number for number in range(900)] + [5.0 + 0.01 * number for number in range(100)]
    sources = ["many"] * 900 + ["few"] * 100
    scale = quantiles(distances, sources, steps=101)
    assert scale[0] == 1.0
    assert scale[-1] == pytest.approx(5.99)
    assert scale[25] == pytest.approx(1.45, abs=0.01)
    assert scale[75] == pytest.approx(5.5, abs=0.05)
    assert scale == sorted(scale)

"""Training images and their truths: what is done to a film is what its targets say."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.verdict import others, variants
from training.verdict.disturb import disturb
from training.verdict.draw_samples import SHARES, Films, draw_one, draw_samples
from training.verdict.truth import TARGETS, Truth, targets

seeds = st.integers(0, 10_000)


def film(rows: int = 112, columns: int = 100) -> np.ndarray[Any, Any]:
    """Return a film of which every corner has another tone: upper left darkest, lower right brightest."""
    y, x = np.mgrid[:rows, :columns]
    return np.asarray(40 + 100 * y / rows + 60 * x / columns, np.uint8)


@pytest.fixture
def films() -> Films:
    return Films([film(), film(100, 112)], [film(112, 80)], [film(60, 90)])


def test_samples_follow_from_films_and_seed_alone(films: Films) -> None:
    one, again = (draw_samples(films, 40, 32, 7) for _ in range(2))
    assert np.array_equal(one.images, again.images)
    assert np.array_equal(one.targets, again.targets)
    assert one.images.shape == (40, 32, 32, 1)
    assert not np.array_equal(one.images, draw_samples(films, 40, 32, 8).images)


@pytest.mark.parametrize("kind", SHARES)
def test_every_kind_is_an_image_with_a_truth(films: Films, kind: str) -> None:
    for seed in range(12):
        gray, truth = draw_one(films, kind, np.random.default_rng(seed))
        assert gray.ndim == 2
        assert gray.dtype == np.float32
        assert min(gray.shape) >= 8
        assert 0 <= gray.min() <= gray.max() <= 1
        assert targets(truth).shape == (TARGETS,)
        assert truth.usable is (kind == "good")


@given(seeds)
def test_a_turned_film_is_turned_clockwise(seed: int) -> None:
    rng, gray = np.random.default_rng(seed), film().astype(np.float32) / 255
    stored, truth = variants.turned(gray, Truth("frontal"), rng)
    assert truth.turned in {90, 180, 270}
    assert np.array_equal(np.rot90(stored, truth.turned // 90), gray)


@given(seeds)
def test_a_cut_film_lacks_what_its_truth_says(seed: int) -> None:
    _, truth = variants.cut(film().astype(np.float32) / 255, np.random.default_rng(seed))
    assert truth.missing
    assert not truth.usable
    assert targets(truth)[0] == (-1 if truth.doubtful else 0)


def test_a_head_learns_nothing_of_what_is_not_known() -> None:
    learnt = targets(Truth("other"))
    assert learnt[0] == 0
    assert list(learnt[5:]) == [-1] * (TARGETS - 5)
    turned = targets(Truth("frontal", turned=90))
    assert list(turned[5:9]) == [0, 1, 0, 0]
    assert turned[-1] == -1


@given(seeds)
def test_what_is_disturbed_stays_an_image_and_its_source_is_not_written_to(seed: int) -> None:
    gray = film().astype(np.float32) / 255
    before = gray.copy()
    changed = disturb(gray, np.random.default_rng(seed))
    assert np.array_equal(gray, before)
    assert 0 <= changed.min() <= changed.max() <= 1
    assert np.isfinite(changed).all()


@given(seeds)
def test_images_of_something_else_are_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for gray in (others.draw_any(rng), others.unmade([film().astype(np.float32) / 255] * 4, rng)):
        assert np.isfinite(gray).all()
        assert 0 <= gray.min() <= gray.max() <= 1

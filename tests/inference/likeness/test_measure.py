"""The distance from what was learnt."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.errors import PackageError
from inference.likeness.measure import LearntFeatures, share_nearer

LEARNT = LearntFeatures(
    mean=np.array([1.0, 2.0, 3.0], np.float32),
    directions=np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], np.float32),
    deviations=np.array([2.0, 0.5], np.float32),
    rest=0.1,
)


def test_the_distance_is_mahalanobis_in_every_direction_even_those_left_out() -> None:
    assert LEARNT.distance([1.0, 2.0, 3.0]) == 0.0
    assert LEARNT.distance([3.0, 2.0, 3.0]) == pytest.approx(np.sqrt(1 / 3))
    assert LEARNT.distance([1.0, 2.5, 3.0]) == pytest.approx(np.sqrt(1 / 3))
    assert LEARNT.distance([1.0, 2.0, 3.2]) == pytest.approx(np.sqrt(4 / 3), rel=1e-4)


def test_features_that_are_no_numbers_lie_infinitely_far() -> None:
    assert LEARNT.distance([np.nan, 2.0, 3.0]) == float("inf")


def test_a_measure_is_kept_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "likeness.npz"
    path.write_bytes(LEARNT.to_bytes())
    again = LearntFeatures.load(path)
    features = np.array([4.0, 1.0, 3.1])
    assert again.distance(features) == pytest.approx(LEARNT.distance(features))
    assert LEARNT.to_bytes() == again.to_bytes()


@pytest.mark.parametrize(
    "content", [b"", b"PK no archive", LearntFeatures(*[np.ones(2, np.float32)] * 3, rest=0.0).to_bytes()]
)
def test_a_file_that_is_no_measure_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "likeness.npz"
    path.write_bytes(content)
    with pytest.raises(PackageError, match=r"likeness\.npz"):
        LearntFeatures.load(path)


@given(st.integers(0, 10_000), st.integers(1, 255), st.booleans())
@example(727, 1, False).via("a member that says it is encrypted")
def test_a_damaged_file_is_refused_or_read(position: int, change: int, cut: bool) -> None:
    content = bytearray(LEARNT.to_bytes())
    position %= len(content)
    content[position] ^= change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "likeness.npz"
        path.write_bytes(content[:position] if cut else content)
        with contextlib.suppress(PackageError):
            LearntFeatures.load(path)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=50), st.floats(0, 200), st.floats(0, 200))
def test_a_share_is_between_0_and_1_and_rises_with_the_distance(
    distances: list[float], one: float, other: float
) -> None:
    quantiles = sorted(distances)
    near, far = (share_nearer(distance, quantiles) for distance in sorted((one, other)))
    assert 0.0 <= near <= far <= 1.0


def test_a_share_is_that_of_the_images_that_lie_nearer() -> None:
    quantiles = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert share_nearer(0.5, quantiles) == 0.0
    assert share_nearer(3.5, quantiles) == pytest.approx(0.625)
    assert share_nearer(float("inf"), quantiles) == 1.0

"""A distance from what a network learnt: how surprising an image's features are beside those of the learnt images.

The features are summarised by their mean and the directions in which they vary most; what is left is taken as equal
in all other directions (probabilistic principal components, Tipping and Bishop 1999). The distance is Mahalanobis's
under that covariance, which is what Lee et al. 2018 ("A simple unified framework for detecting out-of-distribution
samples") found to tell strange images, without classes.
"""

import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from config.errors import PackageError

_BROKEN = (OSError, ValueError, KeyError, EOFError, RuntimeError, BadZipFile, zlib.error)
"""What numpy and the standard library raise on a file that is no such archive, or a damaged one.

RuntimeError is of a member that says it is encrypted or packed in a way that is not known here."""
_ARRAYS = ("mean", "directions", "deviations", "rest")


@dataclass(frozen=True, slots=True, eq=False)
class LearntFeatures:
    """Where the features of the learnt images lie, and how they vary."""

    mean: NDArray[np.float32]
    """(n,)."""
    directions: NDArray[np.float32]
    """(n, k): orthonormal columns, those of greatest variance first."""
    deviations: NDArray[np.float32]
    """(k,): standard deviations along them, above 0."""
    rest: float
    """Standard deviation along each of the n - k other directions, above 0."""

    def distance(self, features: ArrayLike) -> float:
        """Return the Mahalanobis distance of one image's features (n,), as the root mean square a direction.

        An image drawn like the learnt ones has about 1. Infinite where a feature is no number.
        """
        values = np.asarray(features, np.float32)
        offset = values - self.mean
        along = offset @ self.directions
        left = max(float(offset @ offset - along @ along), 0.0)
        total = float(np.square(along / self.deviations).sum()) + left / self.rest**2
        return float(np.sqrt(total / offset.size)) if np.isfinite(total) else float("inf")

    def to_bytes(self) -> bytes:
        """Return it as a ``.npz`` file with half-precision directions."""
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            mean=self.mean.astype(np.float32),
            directions=self.directions.astype(np.float16),
            deviations=self.deviations.astype(np.float32),
            rest=np.float32(self.rest),
        )
        return stream.getvalue()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Raises :class:`PackageError` when the file is not such a measure.
        """
        try:
            content = io.BytesIO(path.read_bytes())  # numpy leaves a file open that it refuses
            with np.load(content, allow_pickle=False) as arrays:
                mean, directions, deviations, rest = (np.asarray(arrays[name], np.float32) for name in _ARRAYS)
        except _BROKEN as error:
            raise _refusal(path) from error
        count = mean.size
        if (
            mean.shape != (count,)
            or directions.shape != (count, deviations.size)
            or deviations.shape != (deviations.size,)
            or rest.shape != ()
            or not all(np.isfinite(array).all() for array in (mean, directions, deviations, rest))
            or not (deviations > 0).all()
            or not rest > 0
        ):
            raise _refusal(path)
        return cls(mean, directions, deviations, float(rest))


def share_nearer(distance: float, quantiles: ArrayLike) -> float:
    """Return the share of held-out images that lie nearer than ``distance``, 0 to 1.

    ``quantiles`` are their distances at evenly spaced shares from 0 to 1, rising; between two of them the share is
    interpolated.
    """
    steps = np.asarray(quantiles, np.float64)
    if distance >= steps[-1]:
        return 1.0
    return float(np.interp(distance, steps, np.linspace(0.0, 1.0, steps.size), left=0.0))


def _refusal(path: Path) -> PackageError:
    return PackageError(f"{path.name} of a model package is no measure of likeness; install the package again")

"""Features of films, kept in a file for another try: they cost minutes and follow from weights and film alone."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import keras
import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example

Features = NDArray[np.float16]
"""(networks, n): the features of one film."""


def weights_digest(networks: Sequence[keras.Model]) -> str:
    """Return the SHA-256 of all weights, hexadecimal; outputs without weights of their own do not change it."""
    sums = hashlib.sha256()
    for network in networks:
        for weight in network.get_weights():
            sums.update(np.ascontiguousarray(weight, np.float32).tobytes())
    return sums.hexdigest()


@dataclass
class KeptFeatures:
    """The features of films by file, of the networks with these weights."""

    weights: str
    by_file: dict[str, Features] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None, weights: str) -> Self:
        """Read what :meth:`save` wrote; nothing where there is no file, or it is of other weights."""
        if path is None or not path.is_file():
            return cls(weights)
        features = cls.load(path)
        return features if features.weights == weights else cls(weights)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote, of whatever weights."""
        with np.load(path, allow_pickle=False) as arrays:
            features = dict(zip(arrays["files"].tolist(), arrays["features"], strict=True))
            return cls(str(arrays["weights"]), features)

    def of(self, films: Sequence[Example], compute: Callable[[Example], Features]) -> Features:
        """Return the features (networks, films, n), computing those that are not kept yet."""
        for film in films:
            if film.file not in self.by_file:
                self.by_file[film.file] = compute(film)
        return np.stack([self.by_file[film.file] for film in films], axis=1)

    def save(self, path: Path) -> None:
        """Write all that is kept."""
        by_file: Mapping[str, Features] = self.by_file
        with path.open("wb") as stream:
            np.savez_compressed(
                stream, weights=self.weights, files=np.asarray(list(by_file)), features=np.stack(list(by_file.values()))
            )

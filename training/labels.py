"""Classes as probabilities: what radiologists read, and what a mined label is worth."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.dataset import Radiograph, Read

CLASS_OF = {Read.NORMAL: 0, Read.OTHER: 1, Read.OPACITY: 2}
_OPACITY_LIKE = frozenset({"Pneumonia", "Consolidation", "Infiltration", "Edema"})
_PRIOR = 4.0
"""Strength, in pictures, with which a small group is drawn to the whole set's frequencies."""


def hard(radiograph: Radiograph) -> NDArray[np.float32]:
    """Return the one-hot class (3) of a picture that radiologists read."""
    if radiograph.read is None:
        raise ValueError("this picture was not read by radiologists")
    one_hot = np.zeros(len(CLASS_OF), np.float32)
    one_hot[CLASS_OF[radiograph.read]] = 1
    return one_hot


def mined(radiograph: Radiograph, names: Sequence[str]) -> NDArray[np.float32]:
    """Return 1 for each of these labels that was mined from the picture's report, else 0."""
    return np.asarray([name in radiograph.nih_labels for name in names], np.float32)


def group(radiograph: Radiograph) -> str:
    """Return the group of mined labels that a picture falls into."""
    labels = set(radiograph.nih_labels)
    if labels <= {"No Finding"}:
        return "none"
    if labels & _OPACITY_LIKE:
        return "opacity-like"
    return "other"


class MinedLabels:
    """How often radiologists gave each class to pictures with such mined labels: from pictures that have both."""

    def __init__(self, both: Sequence[Radiograph]) -> None:
        self._frequencies: dict[str, NDArray[np.float32]] = {}
        overall = np.mean([hard(row) for row in both], axis=0)
        for name in ("none", "opacity-like", "other"):
            members = [hard(row) for row in both if row.nih_labels and group(row) == name]
            counts = np.sum(members, axis=0) if members else np.zeros(len(CLASS_OF))
            self._frequencies[name] = ((counts + _PRIOR * overall) / (len(members) + _PRIOR)).astype(np.float32)

    def soft(self, radiograph: Radiograph) -> NDArray[np.float32]:
        """Return class probabilities (3) for a picture known by its mined labels alone."""
        return self._frequencies[group(radiograph)]

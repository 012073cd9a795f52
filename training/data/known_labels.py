"""Which classes of a head an example has a label for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example
from training.recipe.recipe import HeadSettings


def is_known(example: Example, heads: Sequence[HeadSettings]) -> bool:
    """Say whether an example teaches any of the heads anything."""
    return any(bool(known_classes(example, head).any()) for head in heads)


def known_classes(example: Example, head: HeadSettings) -> NDArray[np.bool_]:
    """Return of each class whether it is known, (classes); exclusive classes are known together or not at all."""
    if head.activation == "softmax":
        return np.full(len(head.classes), example.class_of(head.classes) is not None)
    return np.asarray([name in example.truths for name in head.classes])

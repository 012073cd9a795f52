"""Phantoms for tests: the product's own, each drawn once in a process, because to draw one takes most of a second."""

from functools import lru_cache
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from cxrnode import phantom

_draw = phantom.draw
KEPT = 64
"""Drawings of 512 x 512 take half a MiB each."""


@lru_cache(KEPT)
def draw(seed: int, **options: Any) -> NDArray[np.uint16]:
    """Return what :func:`cxrnode.phantom.draw` returns, to be read only; the options must be hashable."""
    drawing = _draw(seed, **options)
    drawing.setflags(write=False)
    return drawing


def phantom_dataset(seed: int, **options: Any) -> FileDataset:
    """Return what :func:`cxrnode.phantom.phantom_dataset` returns."""
    with patch.object(phantom, "draw", draw):
        return phantom.phantom_dataset(seed, **options)

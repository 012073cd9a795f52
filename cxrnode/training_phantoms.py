"""Phantoms that are drawn beside the films that a verdict network learns from."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxrnode.phantom import View, draw

if TYPE_CHECKING:
    from training.verdict.pipeline import Drawn

_FIRST_SEED = 1000
"""Other phantoms than those that the demonstration sends."""
_COPIES = 2
"""How often each phantom counts among some thousand films."""


def draw_phantoms(*, quick: bool) -> "Drawn":
    """Draw frontal phantoms, PA and AP, with and without opacities, and lateral ones and hands; few where quick."""
    from training.verdict.pipeline import Drawn

    frontals, others = (4, 2) if quick else (24, 6)
    chests = []
    for number in range(frontals):
        view = View.AP if number % 3 == 1 else View.PA
        chests.append(_small(draw(_FIRST_SEED + number, opacity=number % 3 > 0, view=view, size=320)))
    laterals, hands = (
        [_small(draw(_FIRST_SEED + number, view=view, size=320)) for number in range(others)]
        for view in (View.LATERAL, View.HAND)
    )
    return Drawn(chests * _COPIES, laterals, hands)


def _small(stored: NDArray[np.uint16]) -> NDArray[np.uint8]:
    from training.verdict.upright_films import STORED_SIDE

    image = Image.fromarray((stored >> 4).astype(np.uint8))
    return np.asarray(image.resize((STORED_SIDE, STORED_SIDE), Image.Resampling.BOX))

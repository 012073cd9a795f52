"""``cxrnode train verdict``: phantoms drawn beside the films, then the training room's own way."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxrnode.command import out
from cxrnode.phantom import View, draw
from cxrnode.progress import shown_progress

if TYPE_CHECKING:
    from training.verdict.pipeline import Drawn
    from training.verdict.verdict_recipe import VerdictRecipe

_FIRST_SEED = 1000
"""Other phantoms than those that the demonstration sends."""
_COPIES = 2
"""How often each phantom counts among some thousand films."""


def train_verdict(recipe: "VerdictRecipe", data: Path, to: Path, *, quick: bool, as_json: bool) -> None:
    """Train a verdict package and say where it is."""
    from training.verdict.pipeline import produce

    with shown_progress() as progress:
        drawn = draw_phantoms(4 if quick else 24, 2 if quick else 6)
        package = produce(recipe, data, to, drawn=drawn, quick=quick, progress=progress)
    if as_json:
        name, version = package.manifest.name, package.manifest.version
        told = {"name": name, "version": version, "digest": package.digest, "folder": str(to)}
        out.print_json(data={"package": told, "quick": quick})
        return
    out.print(f"The verdict package is in {to}. Set inference.verdict_package to use it.", markup=False)


def draw_phantoms(frontals: int, others: int) -> "Drawn":
    """Draw frontal phantoms, PA and AP, with and without opacities, and lateral ones and hands."""
    from training.verdict.pipeline import Drawn

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

"""Boxes in the model's square input."""

from dataclasses import dataclass

from inference.placement import Placement
from training.data.examples import TruthBox


@dataclass(frozen=True, slots=True)
class ModelBox:
    """A box in the model's square input: centre and size as fractions of its side."""

    cx: float
    cy: float
    w: float
    h: float
    channel: int = 0
    """Which of the heat map's labels it has."""


def to_model_box(box: TruthBox, placement: Placement, channel: int = 0) -> ModelBox:
    """Carry a box, in fractions of its picture, into the model's square."""
    x0, y0 = placement.to_model(box.x * placement.picture_columns, box.y * placement.picture_rows)
    x1, y1 = placement.to_model((box.x + box.w) * placement.picture_columns, (box.y + box.h) * placement.picture_rows)
    side = placement.columns
    return ModelBox((x0 + x1) / 2 / side, (y0 + y1) / 2 / side, (x1 - x0) / side, (y1 - y0) / side, channel)

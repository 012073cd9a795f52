"""What a package says about the pictures of a data set: through serving's own engine, letterbox and box reader."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.detector import decode_boxes
from inference.engines import Engine
from inference.package import DetectorSpec
from inference.pixels import Gray, Picture, to_model_input
from inference.placement import Placement
from training.calibrate import margin
from training.dataset import Radiograph
from training.features import Progress
from training.measures import Match, match
from training.model import CLASSES
from training.pictures import read_grey

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Raw answers on one picture."""

    logits: Numbers
    """(classes)"""
    heat: NDArray[np.float32]
    box: NDArray[np.float32]
    placement: Placement

    @property
    def best_heat(self) -> float:
        """The greatest logit of the heat map."""
        return float(self.heat.max())


def score(engine: Engine, rows: Sequence[Radiograph], side: int, progress: Progress, what: str) -> list[Scored]:
    """Run the engine over the pictures of a data set."""
    answers = []
    for index, row in enumerate(rows):
        answers.append(score_picture(engine, read_grey(row.path), side))
        progress(what, index + 1, len(rows))
    return answers


def score_picture(engine: Engine, picture: Picture | Gray, side: int) -> Scored:
    """Run the engine over one picture."""
    pixels, placement = to_model_input(picture, side, side)
    classes, heat, box = engine.forward(pixels[None])
    return Scored(classes[0].astype(np.float64), heat[0].astype(np.float32), box[0].astype(np.float32), placement)


def finding_inputs(answers: Sequence[Scored], label: str) -> Numbers:
    """Return (class margin, best heat logit) of each picture, (n, 2): what a finding's probability follows from."""
    logits = np.stack([answer.logits for answer in answers])
    heat = np.asarray([answer.best_heat for answer in answers])
    return np.column_stack([margin(logits, CLASSES.index(label)), heat])


def box_matches(answers: Sequence[Scored], rows: Sequence[Radiograph], detector: DetectorSpec) -> list[Match]:
    """Read every box, however unsure, and hold it against what radiologists drew; scores are the detector's."""
    everything = replace_points(detector, 0.0)
    matches = []
    for answer, row in zip(answers, rows, strict=True):
        boxes = decode_boxes(answer.heat, answer.box, everything, answer.placement)
        wide, tall = answer.placement.picture_columns, answer.placement.picture_rows
        found = np.asarray([(box.x0, box.y0, box.x1, box.y1) for box in boxes], np.float64).reshape(-1, 4)
        drawn = [(box.x * wide, box.y * tall, (box.x + box.w) * wide, (box.y + box.h) * tall) for box in row.opacities]
        matches.append(
            match(found, np.asarray([box.score for box in boxes]), np.asarray(drawn, np.float64).reshape(-1, 4))
        )
    return matches


def points_inside(answers: Sequence[Scored], rows: Sequence[Radiograph], detector: DetectorSpec) -> list[bool]:
    """Play the pointing game: is the middle of the surest box inside a true one? For pictures that have any."""
    surest = replace_points(detector, 0.0).model_copy(update={"max_boxes": 1})
    hits = []
    for answer, row in zip(answers, rows, strict=True):
        if not row.opacities:
            continue
        boxes = decode_boxes(answer.heat, answer.box, surest, answer.placement)
        x, y = ((boxes[0].x0 + boxes[0].x1) / 2, (boxes[0].y0 + boxes[0].y1) / 2) if boxes else (-1.0, -1.0)
        x, y = x / answer.placement.picture_columns, y / answer.placement.picture_rows
        hits.append(any(box.x <= x <= box.x + box.w and box.y <= y <= box.y + box.h for box in row.opacities))
    return hits


def replace_points(detector: DetectorSpec, sensitive: float) -> DetectorSpec:
    """Return the detector with its sensitive point moved, so that boxes below it are read too."""
    points = detector.points.model_copy(update={"sensitive": sensitive})
    return detector.model_copy(update={"points": points})

"""LabelImg data for a COVID-19 detector, whose boxes a model package draws because no radiologist did.

The original project drew 800 boxes by hand. Here the pictures are those of one source with a stated diagnosis, and a
located finding of a package, such as lung opacity, says where the pattern is. What comes out teaches a detector to
name such places, not to find them better than that package does; every box says who drew it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from config.errors import DataError
from config.logs import get_logger
from inference.model import Model
from training.data.examples import Example, TruthBox
from training.data.image_files import read_picture
from training.data.terms import COVID19, PNEUMONIA

NEGATIVE = "covid19_negative"
LABELS = (COVID19, NEGATIVE)
Draw = Callable[[Example], tuple[TruthBox, ...]]
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of drawing."""

    examples: tuple[Example, ...]
    without_box: int
    """Pictures of a known class that are left out, because the package drew no box in them."""


def label_of(example: Example) -> str | None:
    """Return the detector's label of a picture: COVID-19, or pneumonia that is not; None for all others."""
    if example.truths.get(COVID19):
        return COVID19
    if example.truths.get(COVID19) is False and example.truths.get(PNEUMONIA):
        return NEGATIVE
    return None


def draw_boxes(examples: Iterable[Example], draw: Draw, progress: Callable[[int], None] = lambda _count: None) -> Drawn:
    """Return the pictures of both labels with the boxes that ``draw`` puts into them, now of the picture's own label.

    Raises
    ------
    DataError
        When a label has no picture, or none with a box.
    """
    known = [(example, label) for example in examples if (label := label_of(example)) is not None]
    for label in LABELS:
        if all(other != label for _example, other in known):
            raise DataError(f"no picture is known to be {label}: the data need a stated diagnosis, such as ieee8023's")
    done = []
    for count, (example, label) in enumerate(known, 1):
        boxes = tuple(replace(box, label=label) for box in draw(example))
        if boxes:
            truths = {other: other == label for other in LABELS}
            done.append(replace(example, truths=truths, read=frozenset(), boxes=boxes, boxed=frozenset(LABELS)))
        progress(count)
    for label in LABELS:
        if all(not example.truths[label] for example in done):
            raise DataError(f"no box was drawn in any picture of {label}: take another package")
    if len(done) < len(known):
        _log.warning("pictures without a drawn box are left out", count=len(known) - len(done))
    return Drawn(tuple(done), len(known) - len(done))


def drawn_by(model: Model) -> Draw:
    """Return a function that draws the boxes of all located findings of a package, and says that a machine did.

    Raises
    ------
    DataError
        When the package locates nothing.
    """
    source = f"machine-drawn by {model.identity.name} {model.identity.version}"
    if not any(finding.boxes for finding in model.package.manifest.findings):
        raise DataError(f"the package {model.identity.name} locates no finding: take one that draws boxes")

    def draw(example: Example) -> tuple[TruthBox, ...]:
        picture = read_picture(example.path)
        boxes = []
        for finding in model.findings(picture):
            for box in finding.boxes:
                x0, x1 = (min(max(x, 0.0), picture.columns) / picture.columns for x in (box.x0, box.x1))
                y0, y1 = (min(max(y, 0.0), picture.rows) / picture.rows for y in (box.y0, box.y1))
                if x1 > x0 and y1 > y0:
                    boxes.append(TruthBox(finding.label, x0, y0, x1 - x0, y1 - y0, source))
        return tuple(boxes)

    return draw

"""What an evaluation holds: the metrics of each finding, contrast, group, head, set of boxes and place kept apart.

Metrics are :class:`~training.evaluation.resample.Draws`, which can be subtracted from another package's on the same
images. A field that is None and marked :data:`OMITTED` has no place in the file.
"""

from dataclasses import dataclass, field

from training.evaluation.metric import Metric
from training.evaluation.resample import OMITTED, Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMetrics:
    """Calls at one threshold against the truth."""

    threshold: float | None = field(default=None, metadata=OMITTED)
    accuracy: Draws
    precision: Draws
    sensitivity: Draws
    specificity: Draws
    f1: Draws


@dataclass(frozen=True, slots=True)
class PointMetrics:
    """Sensitivity and specificity at an operating point."""

    sensitivity: Draws
    specificity: Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupMetrics:
    """One finding on a part of the images; without metrics where one of the two answers is too rare."""

    title: str | None = field(default=None, metadata=OMITTED)
    positives: int
    negatives: int
    auroc: Draws | None = field(default=None, metadata=OMITTED)
    sensitive: PointMetrics | None = field(default=None, metadata=OMITTED)
    specific: PointMetrics | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of the calibration error."""

    pictures: int
    mean_score: float
    share: float
    """Of its images that have the finding."""


@dataclass(frozen=True, slots=True)
class FindingMetrics:
    """One finding over the images where it is known."""

    title: str
    pictures: int
    patients: int
    positives: int
    prevalence: float
    auroc: Draws
    auprc: Draws
    log_loss: Draws
    brier: Draws
    ece: Draws
    ece_by_chance: Metric
    """The calibration error that a perfect calibration measures on as many images: mean and 95 % of draws."""
    reliability: list[ReliabilityBin]
    points: dict[str, CallMetrics]
    at_half: CallMetrics
    subgroups: dict[str, SubgroupMetrics]


@dataclass(frozen=True, slots=True)
class ContrastMetrics:
    """One score between two kinds of images."""

    words: str
    positives: int
    negatives: int
    auroc: Draws


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """The mean over several findings."""

    words: str
    findings: list[str]
    of: int
    """How many findings the group has, whether the package knows them or not."""
    pictures: int
    auroc: Draws


@dataclass(frozen=True, slots=True)
class HeadMetrics:
    """Exclusive classes; precision, recall, specificity and F1 are means over the classes."""

    classes: list[str]
    pictures: int
    truth_by_row_call_by_column: list[list[int]]
    accuracy: Draws
    log_loss: Draws
    precision: Draws
    recall: Draws
    specificity: Draws
    f1: Draws


@dataclass(frozen=True, slots=True)
class RsnaScore:
    """The score of the RSNA Pneumonia Detection Challenge 2018, boxes counted from ``threshold`` on."""

    threshold: float
    score: Draws


@dataclass(frozen=True, slots=True)
class Froc:
    """Share of true boxes found, by the number of false boxes an image."""

    overlap: float
    found: dict[str, Draws]


@dataclass(frozen=True, slots=True)
class BoxPointMetrics:
    """Boxes shown at an operating point."""

    threshold: float
    found: Draws
    precision: Draws
    false_a_picture: Draws


@dataclass(frozen=True, slots=True)
class BoxMetrics:
    """The boxes of one finding against those that somebody drew."""

    title: str
    pictures: int
    true_boxes: int
    ap50: Draws
    ap40: Draws
    ap40_75: Draws
    rsna_map: RsnaScore
    pointing: Draws
    froc: Froc
    points: dict[str, BoxPointMetrics]


@dataclass(frozen=True, slots=True)
class PlaceKeptApart:
    """What the package does at the place that is kept out of every fold."""

    prefixes: list[str]
    pictures: int
    patients: int
    contrasts: dict[str, ContrastMetrics]
    findings: dict[str, SubgroupMetrics]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All metrics of a package on one set of images."""

    pictures: int
    patients: int
    intervals: str
    """How intervals were made, in words."""
    seed: int
    findings: dict[str, FindingMetrics]
    groups: dict[str, GroupMetrics]
    contrasts: dict[str, ContrastMetrics]
    classes: dict[str, HeadMetrics]
    boxes: dict[str, BoxMetrics]
    kept_apart: PlaceKeptApart | None

"""A site report: what a package does on a site's own images that nobody labelled.

Nothing here says how often the package is right. It says how often it speaks: how many images each finding is called
on, how scores are distributed, and how far the images lie from those that the package learnt from. A site whose rates
are far from what is plausible there, or whose images are mostly unlike, has a reason to measure with labels first.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from inference.model import Model
from training.data.examples import Example
from training.data.image_files import read_picture
from training.evaluation.figures import Document
from training.recipe.catalogue import CATALOGUE

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MANY = 3
"""From how many abnormal findings above their specific points on an image is called full of them."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FindingRates:
    """How often one finding is called, and where its scores lie."""

    label: str
    title: str
    abnormal: bool
    possible: float
    """Share of images at or above the sensitive point."""
    stated: float
    """Share of images at or above the specific point."""
    sensitive_point: float
    specific_point: float
    scores: tuple[float, ...]
    """Its scores at :data:`QUANTILES`."""


@dataclass(frozen=True, slots=True)
class Distances:
    """How far the images lie from those that the package learnt from."""

    unlike: float
    """Share of images beyond the package's own threshold."""
    threshold: float
    shares_nearer: tuple[float, ...]
    """At :data:`QUANTILES`: the share of held-out images that lie nearer; evenly spread (0.05 to 0.95) where the site's
    images are as near as those."""


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What a package does on images without labels."""

    package: str
    version: str
    digest: str
    images: int
    unreadable: int
    """Images that could not be read and count nowhere."""
    any_abnormal: float
    """Share of images with an abnormal finding at or above its specific point."""
    many_abnormal: float
    """... with :data:`MANY` or more."""
    findings: tuple[FindingRates, ...]
    distances: Distances | None
    """None where the package has no measure of distance."""

    def as_json(self) -> Document:
        """Return it as plain values, shares and scores with four decimals."""
        rounded: Document = _rounded(asdict(self))
        return {"schema": 1, "kind": "site report", "quantiles": list(QUANTILES), "many": MANY, **rounded}


def site_report(
    model: Model, examples: Sequence[Example], progress: Callable[[int], None] = lambda _done: None
) -> SiteReport:
    """Ask an open model about every image, through the code that serves; ``progress`` is told how many are done.

    Raises
    ------
    DataError
        When none of the images can be read.
    """
    findings = model.package.manifest.findings
    scores: list[list[float]] = []
    distances: list[float] = []
    unlike = 0
    for done, example in enumerate(examples, 1):
        try:
            answers = model.raw(read_picture(example.path))
        except DataError:
            progress(done)
            continue
        found = model.scores(answers)
        scores.append([found[spec.label] for spec in findings])
        distance = model.distance(answers)
        if distance is not None:
            distances.append(distance)
            unlike += model.unlike(distance)
        progress(done)
    if not scores:
        raise DataError("none of the images can be read: give a folder of chest radiographs as JPEG, PNG or DICOM")
    table = np.asarray(scores, np.float64)
    points = [model.package.points(spec) for spec in findings]
    called = table >= np.asarray([point.specific for point in points])
    abnormal = called[:, [spec.abnormal for spec in findings]].sum(axis=1)
    identity, likeness = model.identity, model.package.manifest.likeness
    return SiteReport(
        package=identity.name,
        version=identity.version,
        digest=identity.digest,
        images=len(table),
        unreadable=len(examples) - len(table),
        any_abnormal=float((abnormal > 0).mean()),
        many_abnormal=float((abnormal >= MANY).mean()),
        findings=tuple(
            FindingRates(
                label=spec.label,
                title=CATALOGUE[spec.label].title if spec.label in CATALOGUE else spec.code.meaning,
                abnormal=spec.abnormal,
                possible=float((table[:, column] >= point.sensitive).mean()),
                stated=float(called[:, column].mean()),
                sensitive_point=point.sensitive,
                specific_point=point.specific,
                scores=_quantiles(table[:, column]),
            )
            for column, (spec, point) in enumerate(zip(findings, points, strict=True))
        ),
        distances=None
        if likeness is None or not distances
        else Distances(unlike / len(distances), likeness.threshold, _quantiles(np.asarray(distances))),
    )


def _quantiles(values: Numbers) -> tuple[float, ...]:
    return tuple(float(value) for value in np.quantile(values, QUANTILES))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return round(value, 4) if isinstance(value, float) else value

"""Learning curves: what a recipe reaches with a part of its training patients, and so what more would bring.

Measured on the validation fold, whose images choose nothing here; the test fold is not looked at.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from config.errors import SettingsError
from config.logs import get_logger
from config.settings import InferenceSettings
from inference.engines import open_engine
from inference.model import Model
from inference.package import CARD, FIGURES, write_package
from training.calibration.scale import RAW
from training.data.examples import Example, Split
from training.data.selection import cut_down, select_examples
from training.evaluation.figures import figures, rsna_thresholds_on
from training.evaluation.headline import headline
from training.evaluation.metric import Metric
from training.evaluation.predict import predict
from training.evaluation.run_file import figure_from_json, write_json
from training.fit.cache_key import of_file, whole_key
from training.fit.fit_network import fit_network, starting_weights
from training.fit.result import FitResult, Progress, silent
from training.packaging.package_manifest import manifest
from training.pipelines.train import CACHE, weight_files
from training.recipe.recipe import Recipe

_SCHEMA = 1
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One fit of the recipe, on a share of its training patients."""

    pictures: int
    """That it was fitted on."""
    patients: int
    figures: Mapping[str, Metric]
    """By the names of :data:`training.evaluation.run_file.FIGURE_NAMES`."""

    def as_json(self) -> dict[str, object]:
        """Return it as files have it."""
        figures = {name: metric.as_json() for name, metric in self.figures.items()}
        return {"pictures": self.pictures, "patients": self.patients, "figures": figures}


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """A recipe on growing shares of its training patients."""

    recipe: str
    seed: int
    weights: str | None
    """The file that every fit started from; None where it started at random."""
    quick: bool
    measured_on: tuple[int, int]
    """Images and patients of the validation fold."""
    points: Mapping[float, CurvePoint]
    """By share, rising."""

    def as_json(self) -> dict[str, object]:
        """Return the document for a file of learning curves."""
        pictures, patients = self.measured_on
        return {
            "schema": _SCHEMA,
            "recipe": self.recipe,
            "seed": self.seed,
            "weights": self.weights,
            "quick": self.quick,
            "measured_on": {"part": "validation fold", "pictures": pictures, "patients": patients},
            "points": [{"share": share, **point.as_json()} for share, point in self.points.items()],
        }


def curve(
    recipe: Recipe,
    data: Path,
    shares: Sequence[float],
    *,
    work: Path | None = None,
    weights: Path | None = None,
    quick: bool = False,
    progress: Progress = silent,
) -> LearningCurve:
    """Fit a recipe on growing shares of its training patients and measure each on the validation fold.

    Finished points are kept in the work folder, so that a run that was stopped goes on with the next.

    Parameters
    ----------
    recipe, data
        What to learn, and from what.
    shares
        Of the training patients, each above 0 and at most 1; smaller ones are part of larger ones.
    work, weights, quick, progress
        As :func:`training.pipelines.train.train` has them.

    Raises
    ------
    SettingsError
        When a share is not above 0 and at most 1.
    DataError
        When the data are wrong, or a share leaves a class without pictures.
    """
    if not shares or any(not 0 < share <= 1 for share in shares):
        raise SettingsError("shares of the training patients are above 0 and at most 1, such as 0.25 0.5 1")
    start = starting_weights(recipe, data, weights)
    selection = select_examples(recipe, data)
    if quick:
        recipe, selection = recipe.cut_down(), cut_down(selection, recipe)

    def fit(part: Split) -> FitResult:
        return fit_network(recipe, part, data, work or CACHE, weights=weights, progress=progress)

    points = {}
    for share in sorted(set(shares)):
        part = replace(selection.split, training=part_of(selection.split.training, share, recipe.seed))
        key = whole_key(recipe, {"training": part.training, "validation": part.validation}, of_file(start))
        kept = (work or CACHE) / "curves" / f"{recipe.package.name}-{key}.json"
        points[share] = _kept(kept) or _fit_point(kept, recipe, part, fit)
        _log.info("point of the learning curve", count=len(part.training), outcome=f"{share:g} of the patients")
    validation = selection.split.validation
    return LearningCurve(
        recipe=recipe.package.name,
        seed=recipe.seed,
        weights=None if start is None else start.name,
        quick=quick,
        measured_on=(len(validation), len({one.patient for one in validation})),
        points=points,
    )


def _fit_point(kept: Path, recipe: Recipe, part: Split, fit: Callable[[Split], FitResult]) -> CurvePoint:
    """Fit and measure a point, and keep it."""
    result = fit(part)
    point = _point(recipe, part, result)
    write_json(kept, point.as_json())
    result.forget()
    return point


def _kept(path: Path) -> CurvePoint | None:
    """Return a point that was measured before; None without a whole one."""
    try:
        point = json.loads(path.read_text(encoding="utf-8"))
        figures = {name: figure_from_json(entry) for name, entry in point["figures"].items()}
        return CurvePoint(point["pictures"], point["patients"], figures)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _point(recipe: Recipe, part: Split, result: FitResult) -> CurvePoint:
    """Measure one fit on the validation pictures, nothing calibrated."""
    with tempfile.TemporaryDirectory() as scratch:
        files = weight_files(result, Path(scratch))
        package = write_package(Path(scratch) / "raw", manifest(recipe, RAW), {**files, CARD: b"", FIGURES: b"{}"})
        model = Model(package, [open_engine(package, InferenceSettings(engine="litert"))])
        said = predict(model, part.validation)
    # The threshold of the RSNA score is chosen on the pictures that it is measured on: the same favour for all.
    measured = figures(said, seed=recipe.seed, rsna_thresholds=rsna_thresholds_on(said))
    patients = {one.patient for one in part.training}
    return CurvePoint(len(part.training), len(patients), headline(measured))


def part_of(examples: Sequence[Example], share: float, seed: int) -> tuple[Example, ...]:
    """Return the pictures of a share of the patients; a smaller share's patients are among a larger one's."""
    patients = sorted({example.patient for example in examples})
    order = np.random.default_rng(seed).permutation(len(patients))
    kept = {patients[place] for place in order[: max(1, round(share * len(patients)))]}
    return tuple(example for example in examples if example.patient in kept)

"""The learning curve: what a recipe reaches with a part of its training patients, and so what more would bring.

Measured on the validation fold, whose pictures choose nothing here; the test fold is not looked at.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from training.evaluation.predict import predict
from training.evaluation.run_file import write_json
from training.fit.cache_key import of_file, whole_key
from training.fit.fit_network import fit_network, starting_weights
from training.fit.result import FitResult, Progress, silent
from training.packaging.package_manifest import manifest
from training.pipelines.train import CACHE, weight_files
from training.recipe.recipe import Recipe

_log = get_logger(__name__)


def curve(
    recipe: Recipe,
    data: Path,
    shares: Sequence[float],
    *,
    work: Path | None = None,
    weights: Path | None = None,
    quick: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
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

    Returns
    -------
    The document for a file of learning curves: for each share how many pictures and patients there were, and the
    headline figures with their intervals by patient.

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

    points = []
    for share in sorted(set(shares)):
        part = replace(selection.split, training=part_of(selection.split.training, share, recipe.seed))
        key = whole_key(recipe, {"training": part.training, "validation": part.validation}, of_file(start))
        kept = (work or CACHE) / "curves" / f"{recipe.package.name}-{key}.json"
        points.append({"share": share, **(_kept(kept) or _made(kept, recipe, part, fit))})
        _log.info("point of the learning curve", count=len(part.training), outcome=f"{share:g} of the patients")
    return _document(recipe, selection.split.validation, points, start, quick=quick)


def _document(
    recipe: Recipe, measured_on: Sequence[Example], points: Sequence[dict[str, Any]], start: Path | None, *, quick: bool
) -> dict[str, Any]:
    return {
        "schema": 1,
        "recipe": recipe.package.name,
        "seed": recipe.seed,
        "weights": None if start is None else start.name,
        "quick": quick,
        "measured_on": {
            "part": "validation fold",
            "pictures": len(measured_on),
            "patients": len({one.patient for one in measured_on}),
        },
        "points": list(points),
    }


def _made(kept: Path, recipe: Recipe, part: Split, fit: Callable[[Split], FitResult]) -> dict[str, Any]:
    """Fit and measure a point, and keep it."""
    learnt = fit(part)
    point = _point(recipe, part, learnt)
    write_json(kept, point)
    learnt.forget()
    return point


def _kept(path: Path) -> dict[str, Any] | None:
    """Return a point that was measured before; None without a whole one."""
    try:
        point: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: point[name] for name in ("pictures", "patients", "figures")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _point(recipe: Recipe, part: Split, learnt: FitResult) -> dict[str, Any]:
    """Measure one fit on the validation pictures, nothing calibrated."""
    with tempfile.TemporaryDirectory() as scratch:
        files = weight_files(learnt, Path(scratch))
        package = write_package(Path(scratch) / "raw", manifest(recipe, RAW), {**files, CARD: b"", FIGURES: b"{}"})
        model = Model(package, [open_engine(package, InferenceSettings(engine="litert"))])
        said = predict(model, part.validation)
    # The threshold of the RSNA score is chosen on the pictures that it is measured on: the same favour for all.
    measured = figures(said, seed=recipe.seed, rsna_thresholds=rsna_thresholds_on(said))
    return {
        "pictures": len(part.training),
        "patients": len({one.patient for one in part.training}),
        "figures": {name: figure.as_json() for name, figure in headline(measured).items()},
    }


def part_of(examples: Sequence[Example], share: float, seed: int) -> tuple[Example, ...]:
    """Return the pictures of a share of the patients; a smaller share's patients are among a larger one's."""
    patients = sorted({example.patient for example in examples})
    order = np.random.default_rng(seed).permutation(len(patients))
    kept = {patients[place] for place in order[: max(1, round(share * len(patients)))]}
    return tuple(example for example in examples if example.patient in kept)

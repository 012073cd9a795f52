"""``train``: one recipe, one data folder, one command; out comes an evaluated, calibrated model package.

The order is the protocol: fit on the training part; calibrate and choose operating points on the validation part;
measure once on the test part, through serving's own engine, the very files that are shipped; write all or nothing.
"""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.logs import get_logger
from config.settings import InferenceSettings
from inference.engines import open_engine
from inference.interpret import Answer
from inference.model import Model
from inference.package import CARD, FIGURES, KERAS_MODEL, LITERT_MODEL, ModelPackage, write_package
from training.calibration.operating_points import choose_operating_points, require_known
from training.calibration.scale import RAW
from training.data.examples import Example, Split
from training.data.image_files import read_picture, require_readable
from training.data.selection import Selection, cut_down, select_examples
from training.evaluation.figures import figures, rsna_thresholds_on
from training.evaluation.headline import headline
from training.evaluation.predict import predict
from training.fit.fit_network import fit_network, starting_weights
from training.fit.result import FitResult, Progress, silent
from training.packaging import export
from training.packaging.cards.model_card import described
from training.packaging.package_manifest import manifest, require_place
from training.packaging.run_protocol import protocol
from training.recipe.recipe import Recipe

CACHE = Path(".cache") / "train"
"""Where intermediate results are kept unless told otherwise, below the working directory."""
AGREEMENT_PICTURES = 8
"""So many pictures are asked of both engines, which must agree on them."""
LITERT = InferenceSettings(engine="litert")
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A package and what it was made from."""

    package: ModelPackage
    figures: dict[str, Any]


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    work: Path | None = None,
    weights: Path | None = None,
    quick: bool = False,
    progress: Progress = silent,
) -> TrainingResult:
    """Make the package of a recipe from a data folder and write it to ``out``, as a whole or not at all.

    Parameters
    ----------
    recipe, data
        What to learn, and from what.
    out
        The package's folder; a package that is there is replaced, anything else is refused.
    work
        A folder for what may be thrown away: trunk maps, and the state of a run that was stopped, which goes on.
    weights
        What to start from in place of the recipe's weights file, for data folders that have none.
    quick
        A few pictures, one epoch: to see that all works.
    progress
        Told how far each step is.

    Raises
    ------
    DataError
        When the data are incomplete, malformed, or leak between folds, or ``out`` is taken; before anything is
        written.
    """
    start = starting_weights(recipe, data, weights)
    if weights is not None:
        recipe = recipe.model_copy(update={"network": recipe.network.model_copy(update={"weights": weights.name})})
    selection = select_examples(recipe, data)
    if quick:
        recipe, selection = recipe.cut_down(), cut_down(selection, recipe)
    split = selection.split
    require_place(out)
    require_known(recipe, split.validation)
    require_readable((*split.training, *split.validation, *split.test, *selection.kept_apart))
    fitted = fit_network(recipe, split, data, work or CACHE, weights=weights, progress=progress)
    return finish(recipe, selection, fitted, out, start=start, quick=quick, progress=progress)


def finish(
    recipe: Recipe,
    selection: Selection,
    fitted: FitResult,
    out: Path,
    *,
    start: Path | None = None,
    quick: bool,
    progress: Progress = silent,
) -> TrainingResult:
    """Round, export, calibrate on validation pictures, measure on test pictures, write the package.

    ``start`` is the file that the network started from; the figures name it with its SHA-256.
    """
    split = selection.split
    with tempfile.TemporaryDirectory() as scratch:
        files = weight_files(fitted, Path(scratch))
        plain = {CARD: b"", FIGURES: b"{}"}
        raw = write_package(Path(scratch) / "raw", manifest(recipe, RAW), {**files, **plain})
        model = Model(raw, [open_engine(raw, LITERT)])
        few = [read_picture(one.path) for one in split.validation[:AGREEMENT_PICTURES]]
        differ = export.require_agreement(raw, few)
        chosen = choose_operating_points(recipe, raw, split.validation, _answers(model, split.validation, progress))
        final = manifest(recipe, chosen)
        draft = write_package(Path(scratch) / "draft", final, {**files, **plain})
        served = Model(draft, [open_engine(draft, LITERT)])
        measured = measure(recipe, served, selection, progress)
        document: dict[str, Any] = {
            "format": 2,
            "package": {"name": recipe.package.name, "version": recipe.package.version},
            "recipe": recipe.model_dump(mode="json", by_alias=True),
            "weights": _started_from(start),
            "protocol": protocol(recipe, selection, quick=quick),
            "engines_differ_at_most": float(f"{differ:.1e}"),
            "losses": fitted.rounded,
            "known_parts": known_parts(recipe, served, split, progress),
            **measured,
        }
        package = write_package(out, final, {**files, **described(final, document)})
    fitted.forget()
    _log.info("package written", package=recipe.package.name, version=recipe.package.version)
    return TrainingResult(package, document)


def _started_from(start: Path | None) -> dict[str, str] | None:
    """Return which weights a network started from; None where it started at random."""
    if start is None:
        return None
    return {"file": start.name} | (
        {"sha256": hashlib.sha256(start.read_bytes()).hexdigest()} if start.is_file() else {}
    )


def weight_files(fitted: FitResult, scratch: Path) -> dict[str, bytes | Path]:
    """Return both weight files, from the same rounded numbers; kept on disk, since some are large."""
    export.round_to_half(fitted.network)
    files: dict[str, bytes | Path] = {}
    for name, content in (
        (KERAS_MODEL, export.keras_bytes(fitted.network)),
        (LITERT_MODEL, export.litert_bytes(fitted.network)),
    ):
        files[name] = scratch / name
        (scratch / name).write_bytes(content)
    return files


def _answers(model: Model, examples: Sequence[Example], progress: Progress) -> list[Answer]:
    answers = []
    for done, example in enumerate(examples, 1):
        answers.append(model.raw(read_picture(example.path))[0])
        progress("validation pictures", done, len(examples))
    return answers


def known_parts(recipe: Recipe, model: Model, split: Split, progress: Progress = silent) -> dict[str, Any] | None:
    """Return the headline figures on the training and the validation pictures, which say how much was learnt by heart.

    Only for networks that learn from pictures: published ones report them, and those on a frozen trunk are larger.
    """
    if not recipe.network_kind.measures_known_parts:
        return None
    known = {}
    for name, part in (("training", split.training), ("validation", split.validation)):

        def shown(done: int, what: str = f"{name} pictures", of: int = len(part)) -> None:
            progress(what, done, of)

        if part:
            measured = figures(predict(model, part, shown), seed=recipe.seed)
            known[name] = {figure: value.as_json() for figure, value in headline(measured).items()}
    return known


def measure(
    recipe: Recipe,
    model: Model,
    selection: Selection,
    progress: Progress = silent,
    *,
    rsna_thresholds: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the figures on test pictures and, apart from them, on the DICOM folder of the recipe.

    The RSNA score's thresholds belong to what is chosen, not to what is measured: on validation pictures, unless given.
    """
    split: Split = selection.split

    def shown(what: str, count: int) -> Any:
        return lambda done: progress(what, done, count)

    thresholds = rsna_thresholds
    if thresholds is None and model.package.manifest.detectors:
        thresholds = rsna_thresholds_on(
            predict(model, split.validation, shown("validation boxes", len(split.validation)))
        )
    tested = (*split.test, *selection.kept_apart)
    test = figures(
        predict(model, tested, shown("test pictures", len(tested))),
        seed=recipe.seed,
        kept_apart=recipe.data.kept_apart,
        rsna_thresholds=thresholds,
    )
    check = None
    if selection.dicom:
        said = predict(model, selection.dicom, shown("DICOM files", len(selection.dicom)))
        used = {example.patient for example in (*split.training, *split.validation)}
        never = [index for index, example in enumerate(selection.dicom) if example.patient not in used]
        check = {
            "all_files": figures(said, seed=recipe.seed),
            "patients_never_used": figures(said.only(never), seed=recipe.seed) if never else None,
        }
    return {"test": test, "dicom_check": check}

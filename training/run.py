"""``train``: one recipe, one data folder, one command; out comes an evaluated, calibrated model package.

The order is the protocol: fit on the training folds; calibrate and choose operating points on the validation fold;
measure once on the test fold, through serving's own engine, the very files that are shipped; write all or nothing.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config.errors import CxrnodeError
from config.logs import configure_logs, get_logger
from config.settings import InferenceSettings, LogSettings
from inference.engines import open_engine
from inference.package import CARD, FIGURES, KERAS_MODEL, LITERT_MODEL, ModelPackage, write_package
from inference.pixels import to_model_input
from training import evaluate, export, measures
from training.backbone import load_imagenet_weights
from training.card import card
from training.dataset import (
    Radiograph,
    Read,
    Split,
    View,
    is_frontal_adult,
    read_manifest,
    require_every_class,
    split_by_fold,
)
from training.dicom_check import dicom_check
from training.features import Progress
from training.fit import Learnt, fit
from training.package import RAW, manifest
from training.pictures import read_grey, require_readable
from training.recipe import Recipe, load_recipe
from training.scores import score

CACHE = Path(".cache") / "train"
"""Where intermediate results are kept unless told otherwise, below the working directory."""
_AGREEMENT_PICTURES = 8
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a recipe uses of a data set."""

    read: Split
    """Pictures that radiologists read."""
    weak: tuple[Radiograph, ...]
    """Training pictures that only have labels mined from reports."""
    everything: tuple[Radiograph, ...]
    """The whole manifest."""
    left_out: dict[str, int]
    """Why rows of the manifest are not used, and how many."""

    @property
    def used(self) -> frozenset[str]:
        """The patients of all pictures that anything is fitted or chosen on."""
        return frozenset(row.patient for part in (self.read.training, self.weak, self.read.validation) for row in part)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``train`` from a command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="train", description="Train, calibrate and evaluate a model package.")
    parser.add_argument("recipe", help="a shipped recipe's name, or the path of a TOML file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv, boxes.csv and images/")
    parser.add_argument("--out", type=Path, required=True, help="where the package goes; one that is there is replaced")
    parser.add_argument("--cache", type=Path, help=f"folder for intermediate results (default: {CACHE})")
    parser.add_argument("--quick", action="store_true", help="a few pictures, one epoch: to see that all works")
    options = parser.parse_args(arguments)
    configure_logs(LogSettings(), "train")
    try:
        train(load_recipe(options.recipe), options.data, options.out, cache=options.cache, quick=options.quick)
    except CxrnodeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def train(recipe: Recipe, data: Path, out: Path, *, cache: Path | None = None, quick: bool = False) -> ModelPackage:
    """Make the package of a recipe from a data folder and write it to ``out``, as a whole or not at all.

    Raises
    ------
    DataError
        When the data are incomplete, malformed, or leak between folds; before anything is written.
    """
    rows = choose_rows(recipe, read_manifest(data))
    if quick:
        recipe, rows = recipe.cut_down(), cut_down(rows, recipe.quick.pictures)
    for name, part in (
        ("training", rows.read.training),
        ("validation", rows.read.validation),
        ("test", rows.read.test),
    ):
        require_every_class(part, name)
    require_readable((*rows.read.training, *rows.weak, *rows.read.validation, *rows.read.test))
    cache = cache or CACHE
    weights = load_imagenet_weights(data / recipe.model.weights, cache) if recipe.model.weights else None
    learnt = fit(
        recipe,
        rows.read.training,
        rows.weak,
        weights=weights,
        cache=cache,
        progress=_progress(),
        epoch_done=_epoch_done,
    )
    return finish(recipe, rows, learnt, data, out, quick=quick)


def choose_rows(recipe: Recipe, everything: Sequence[Radiograph]) -> Rows:
    """Choose what a recipe uses: frontal pictures of adults, read by radiologists or (lightly) labelled by mining."""
    frontal = [row for row in everything if is_frontal_adult(row)]
    held_out = (recipe.data.test_fold, recipe.data.validation_fold)
    weak = tuple(
        row for row in frontal if row.read is None and row.nih_labels and row.fold not in held_out
    ) if recipe.data.weak_weight > 0 else ()  # fmt: skip
    read = split_by_fold(
        (row for row in frontal if row.read), test=recipe.data.test_fold, validation=recipe.data.validation_fold
    )
    Split(training=(*read.training, *weak), validation=read.validation, test=read.test)  # refuses a leak
    reasons = Counter(_why_not(row) for row in everything if not is_frontal_adult(row))
    reasons["not read by radiologists, without mined labels or in a held-out fold"] = sum(
        row.read is None for row in frontal
    ) - len(weak)
    return Rows(read=read, weak=weak, everything=tuple(everything), left_out=dict(sorted(reasons.items())))


def cut_down(rows: Rows, pictures: int) -> Rows:
    """Keep this many pictures of each part, a third of them of each class where there are so many."""

    def some(part: Sequence[Radiograph]) -> tuple[Radiograph, ...]:
        by_read = [[row for row in part if row.read is read][: -(-pictures // len(Read))] for read in Read]
        return tuple(row for group in by_read for row in group)

    read = Split(some(rows.read.training), some(rows.read.validation), some(rows.read.test))
    return replace(rows, read=read, weak=rows.weak[: pictures // 2])


def finish(recipe: Recipe, rows: Rows, learnt: Learnt, data: Path, out: Path, *, quick: bool) -> ModelPackage:
    """Round, export, calibrate on validation, measure on test, write the package."""
    export.round_to_half(learnt.network)
    files: dict[str, bytes | Path] = {
        KERAS_MODEL: export.keras_bytes(learnt.network), LITERT_MODEL: export.litert_bytes(learnt.network),
    }  # fmt: skip
    side = recipe.model.side
    with tempfile.TemporaryDirectory() as scratch:
        raw = write_package(Path(scratch) / "raw", manifest(recipe, RAW), {**files, CARD: b"", FIGURES: b"{}"})
        pictures = [
            to_model_input(read_grey(row.path), side, side)[0] for row in rows.read.validation[:_AGREEMENT_PICTURES]
        ]
        differ = export.require_agreement(raw, pictures)
        engine = open_engine(raw, InferenceSettings(engine="litert"))
        validation = score(engine, rows.read.validation, side, _progress(), "validation")
        calibration = evaluate.calibrate_on(recipe, rows.read.validation, validation)
        cut = evaluate.best_rsna_threshold(recipe, rows.read.validation, validation, calibration)
        test = score(engine, rows.read.test, side, _progress(), "test")
        check = dicom_check(recipe, rows.everything, rows.used, engine, data, calibration)
    results = evaluate.report(recipe, rows.read.test, test, calibration)
    results["boxes"]["rsna_score"] = evaluate.rsna_figure(recipe, rows.read.test, test, calibration, cut)
    figures: dict[str, Any] = {
        "format": 1,
        "package": {"name": recipe.package.name, "version": recipe.package.version},
        "recipe": recipe.model_dump(mode="json"),
        "protocol": _protocol(recipe, rows, quick=quick),
        "engines_differ_at_most": float(f"{differ:.1e}"),
        "test": results,
        "dicom_check": check,
        "losses": [{name: round(value, 4) for name, value in epoch.items()} for epoch in learnt.losses],
    }
    final = manifest(recipe, calibration)
    text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files |= {FIGURES: text.encode(), CARD: card(final, figures).encode()}
    package = write_package(out, final, files)
    _log.info("package written", package=recipe.package.name, version=recipe.package.version)
    return package


def _protocol(recipe: Recipe, rows: Rows, *, quick: bool) -> dict[str, Any]:
    """Return who was used for what, in numbers, and how intervals were made."""
    folds = {row.fold for row in rows.read.training}
    parts = {
        "training": (rows.read.training, sorted(folds)),
        "validation": (rows.read.validation, [recipe.data.validation_fold]),
        "test": (rows.read.test, [recipe.data.test_fold]),
        "training_mined_labels": (rows.weak, sorted({row.fold for row in rows.weak})),
    }
    return {
        "quick": quick,
        "seed": recipe.seed,
        "split": "by patient; folds of the data set",
        "intervals": f"95 %, bootstrap over patients, {measures.RESAMPLES} resamples",
        "parts": {
            name: {
                "folds": folds,
                "pictures": len(part),
                "patients": len({row.patient for row in part}),
                "classes": {read.value: sum(row.read is read for row in part) for read in Read},
                "boxes": sum(len(row.opacities) for row in part),
                "licences": dict(sorted(Counter(row.licence for row in part).items())),
            }
            for name, (part, folds) in parts.items()
        },
        "left_out": rows.left_out,
    }


def _why_not(row: Radiograph) -> str:
    if row.view is View.LATERAL:
        return "lateral view"
    return "view unknown" if row.view is View.UNKNOWN else "below 18 years"


def _progress() -> Progress:
    """Return a progress function that logs now and then."""
    last = time.monotonic()

    def report(what: str, done: int, of: int) -> None:
        nonlocal last
        if done == of or time.monotonic() - last > 15:
            last = time.monotonic()
            _log.info(what, count=done, outcome=f"{done} of {of}")

    return report


def _epoch_done(epoch: int, of: int, losses: dict[str, float]) -> None:
    _log.info(f"epoch {epoch} of {of}", outcome=" ".join(f"{name} {value:.3f}" for name, value in losses.items()))


if __name__ == "__main__":
    sys.exit(main())

"""Ensembles: networks that learnt from the same parts become one package, with operating points of its own.

The order is that of a recipe's run: the points are chosen on the validation part, and the figures are measured once on
the test part, both through the code that serves. Nothing is fitted. The members must agree on who belongs to which
part, or the ensemble's figures would rest on pictures that one of them has learnt.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from config.errors import DataError
from config.logs import get_logger
from inference.ensemble import draft
from inference.manifest import EnsembleManifest, PointsSpec
from inference.model import Model
from inference.package import FIGURES, EnsemblePackage, ModelPackage, load_network, write_ensemble
from training.calibration.operating_points import TRUE_BOX_OVERLAP, box_points_of, points_of
from training.data.examples import Example
from training.data.image_files import require_readable
from training.data.selection import Selection, cut_down, select_examples
from training.evaluation.boxes import match
from training.evaluation.figures import known_boxes
from training.evaluation.predict import predict
from training.evaluation.predictions import Predictions
from training.evaluation.record import TRAINING, VALIDATION, Record, figures_of, record_in
from training.fit.result import Progress, silent
from training.packaging.cards.model_card import described
from training.packaging.package_manifest import INTENDED_USE, LICENCE, require_place
from training.packaging.run_protocol import Twin, protocol
from training.pipelines.train import measure
from training.recipe.recipe import Recipe

VERSION = "1.0.0"
_PARTS = ("training", "validation", "test")
_DEALT = ("reader", "list", "only", "frontal_adults", "folds", "by", "kept_apart")
"""The recipe's settings that say how folds are dealt out, where they are not the data set's own."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Names:
    """What the ensemble is called; from its members where empty."""

    name: str = ""
    version: str = VERSION
    title: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A network's package with what it remembers of how it was made."""

    package: ModelPackage
    recipe: Recipe
    record: Record
    fitted: dict[str, int]
    """How many pictures and patients it was fitted on."""
    quick: bool
    retrained: bool = False
    """Whether it was fitted on the validation part, too (:mod:`training.pipelines.retrain_on_all`)."""

    @property
    def words(self) -> str:
        """Name and version."""
        return f"{self.package.manifest.name} {self.package.manifest.version}"


@dataclass(frozen=True, slots=True)
class EnsembleResult:
    """An ensemble's package and what its figures say."""

    package: EnsemblePackage
    figures: dict[str, Any]


def make_ensemble(
    out: Path, members: Sequence[str | Path], data: Path, *, names: Names | None = None, progress: Progress = silent
) -> EnsembleResult:
    """Make an ensemble of networks and write it to ``out``, as a whole or not at all.

    Parameters
    ----------
    out
        The package's folder; one that is there is replaced.
    members
        Folders (or built-in names) of two or more network packages. The first one's recipe says how the data are read
        and what the operating points are chosen for.
    data
        The data folder that the members learnt from.
    names
        What the ensemble is called.
    progress
        Told how far each step is.

    Raises
    ------
    DataError
        When the members were fitted on different folds, disagree on the test fold, learnt from a patient of these
        data's validation or test part, or do not say how they were made; before anything is written.
    PackageError
        When a member is no network, or no finding is in all of them.
    """
    opened = [open_member(folder) for folder in members]
    require_same_parts(opened)
    planned = _planned(opened, names or Names())
    first = opened[0].recipe
    selection = select_examples(first, data)
    if any(member.quick for member in opened):
        selection = cut_down(selection, first)
    require_unseen(opened, selection)
    require_place(out)
    require_readable((*selection.split.validation, *selection.split.test, *selection.kept_apart))
    with tempfile.TemporaryDirectory() as scratch:
        folders = [member.package.folder for member in opened]
        raw = write_ensemble(Path(scratch) / "raw", planned, folders)
        said = _predictions(raw, selection.split.validation, progress)
        final = with_points(planned, opened, said)
        served = Model.open(replace(raw, manifest=_as_in(raw, final)))
        document = document_of(final, opened, selection, measure(first, served, selection, progress))
        files = described(final, document, [member.package.manifest for member in opened])
        package = write_ensemble(out, final, folders, files)
    _log.info("package written", package=final.name, version=final.version)
    return EnsembleResult(package, document)


def open_member(folder: str | Path) -> Member:
    """Load a network with the recipe and the parts that its figures name.

    Raises
    ------
    DataError
        When its figures do not say how it was made.
    PackageError
        When it is no network's package, or its figures cannot be read.
    """
    package = load_network(folder)
    who = f"{package.manifest.name} {package.manifest.version}"
    figures = figures_of(package)
    try:
        recipe = Recipe.model_validate(figures["recipe"])
        parts = figures["protocol"]["parts"]
        if any(name not in parts for name in _PARTS):
            raise KeyError("parts")
        fitted = {name: int(parts[TRAINING][name]) for name in ("pictures", "patients")}
        float(figures.get("engines_differ_at_most", 0.0))  # the ensemble's own figures will need it
        quick, retrained = (bool(figures["protocol"].get(name)) for name in ("quick", "twin"))
    except (AttributeError, KeyError, TypeError, ValueError):  # a ValidationError is a ValueError
        raise DataError(
            f"{who} does not say what it was made from in a way that this program reads: train it again with its recipe"
        ) from None
    return Member(package, recipe, record_in(package), fitted, quick, retrained)


def require_same_parts(members: Sequence[Member]) -> None:
    """Raise :class:`DataError` where two members differ in what they learnt from, were tuned on or were tested on."""
    first, *others = members
    for other in others:
        pair = f"{first.words} and {other.words}"
        for part, verb in ((TRAINING, "fitted"), (VALIDATION, "tuned"), ("test", "tested")):
            ours, theirs = (sorted(one.record.folds[part]) for one in (first, other))
            if ours != theirs:
                raise DataError(
                    f"{pair} were {verb} on different folds, {_listed(ours)} and {_listed(theirs)}: what one of them "
                    "learnt would be the other's test; train them with the same test_fold and validation_fold"
                )
        for setting in _DEALT if first.recipe.data.folds or other.recipe.data.folds else ("reader", "kept_apart"):
            ours, theirs = (getattr(one.recipe.data, setting) for one in (first, other))
            if ours != theirs:
                raise DataError(
                    f"the folds of {pair} are not the same ones: data.{setting} is {ours!r} in one recipe and "
                    f"{theirs!r} in the other; train them on the same parts"
                )
        if first.recipe.data.folds and first.recipe.seed != other.recipe.seed:
            raise DataError(
                f"the folds of {pair} were dealt out with different seeds, {first.recipe.seed} and "
                f"{other.recipe.seed}: train them with the same seed, or take folds that the data set itself has"
            )


def require_unseen(members: Sequence[Member], selection: Selection) -> None:
    """Raise :class:`DataError` where a member remembers a patient of the validation or test part as another part's.

    Members whose folds were dealt out by image share patients among their own parts, so nothing can be said of them.
    """
    split = selection.split
    for member in members:
        if member.recipe.data.by == "image":
            continue
        for examples, refused in ((split.validation, {TRAINING}), (split.test, {TRAINING, VALIDATION})):
            seen = next((one for one in examples if member.record.part_of(one) in refused), None)
            if seen is not None and member.retrained:
                raise DataError(
                    f"{member.words} learnt from its validation pictures, too, so nothing is left to choose the "
                    "ensemble's operating points on: train its recipe with retrain_on_all = false in the data table"
                )
            if seen is not None:
                raise DataError(
                    f"{member.words} was fitted or tuned on the patient of {seen.file}, which is in another part of "
                    "these data: give the data folder that the members were trained from"
                )


def with_points(manifest: EnsembleManifest, members: Sequence[Member], said: Predictions) -> EnsembleManifest:
    """Return the manifest with operating points chosen on what the ensemble says about validation pictures."""
    first = members[0].recipe
    asked = {one.label: one for one in first.findings}
    findings = []
    for spec in manifest.findings:
        settings = asked[spec.label]
        where, truth = said.known(settings.source)
        points = points_of(said.scores(spec.label)[where], truth, first.points, settings.most_false)
        findings.append(spec.model_copy(update={"points": _spec(*points)}))
    detectors = [
        spec.model_copy(update={"points": _box_points(said, spec.finding, first)}) for spec in manifest.detectors
    ]
    return manifest.model_copy(update={"findings": tuple(findings), "detectors": tuple(detectors)})


def _box_points(said: Predictions, label: str, recipe: Recipe) -> PointsSpec:
    matches = []
    for index in known_boxes(said, label):
        found, scores = said.found(int(index), label)
        matches.append(match(found, scores, said.drawn(int(index), label)))
    scores = np.concatenate([one.scores for one in matches]) if matches else np.zeros(0)
    true = np.concatenate([one.found[TRUE_BOX_OVERLAP] for one in matches]) if matches else np.zeros(0, bool)
    if not true.any() or true.all():
        return _spec(0.5, 0.5)  # nothing was found: show only what it is sure of
    return _spec(*box_points_of(scores, true, len(matches), recipe.points))


def _planned(members: Sequence[Member], names: Names) -> EnsembleManifest:
    """Return the ensemble's manifest before its points are chosen."""
    first = members[0].package.manifest
    parts = ", ".join(member.words for member in members)
    return draft(
        [member.package.manifest for member in members],
        name=names.name or f"{first.name[:31]}-ensemble",
        version=names.version,
        title=names.title or first.title,
        summary=f"The mean of the calibrated probabilities of {len(members)} networks, {parts}. {first.summary}",
        licence=LICENCE,
        intended_use=INTENDED_USE,
    )


def _as_in(raw: EnsemblePackage, final: EnsembleManifest) -> EnsembleManifest:
    """Return the final manifest with the members and files that the written draft has."""
    return final.model_copy(update={"members": raw.manifest.members, "files": raw.manifest.files})


def _predictions(package: EnsemblePackage, examples: Sequence[Example], progress: Progress) -> Predictions:
    return predict(Model.open(package), examples, lambda done: progress("validation pictures", done, len(examples)))


def document_of(
    final: EnsembleManifest,
    members: Sequence[Member],
    selection: Selection,
    measured: dict[str, Any],
    twin: Twin | None = None,
) -> dict[str, Any]:
    """Return the ensemble's figures, in the form of a network's; ``measured`` is what the test part said."""
    first = members[0].recipe
    quick = any(member.quick for member in members)
    own = [json.loads(member.package.path(FIGURES).read_text(encoding="utf-8")) for member in members]
    return {
        "format": 2,
        "package": {"name": final.name, "version": final.version},
        "members": [
            {
                "name": member.package.manifest.name,
                "version": member.package.manifest.version,
                "digest": member.package.digest,
                "fitted_on": member.fitted,
                "seed": member.recipe.seed,
                "weights": figures.get("weights"),
                "losses": figures.get("losses"),
            }
            for member, figures in zip(members, own, strict=True)
        ],
        "recipe": first.model_dump(mode="json", by_alias=True),
        "engines_differ_at_most": max(float(figures.get("engines_differ_at_most", 0.0)) for figures in own),
        "protocol": protocol(first, selection, quick=quick, twin=twin),
        **measured,
    }


def _spec(sensitive: float, specific: float) -> PointsSpec:
    return PointsSpec(sensitive=sensitive, specific=specific)


def _listed(folds: Sequence[int]) -> str:
    return ", ".join(str(fold) for fold in folds) or "none"

"""Retrain on all: each network is fitted once more, on training and validation images, when all has been chosen.

Probabilities and operating points must be chosen on images that the network was not fitted on, and those images are
then missing from its training. So each network is fitted twice, with the same settings and seed: its *twin* on the
training part alone, on which everything is chosen; then the one that ships, on both parts, which takes the twin's
choices. The figures of the test part, which neither has seen, say how well the choices fit it.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inference.engines import open_engine
from inference.model import Model
from inference.package import CARD, FIGURES, EnsemblePackage, load_package, write_ensemble, write_package
from training.data.examples import Split
from training.data.image_files import read_picture, require_readable
from training.data.selection import Selection, cut_down, select_examples
from training.evaluation.record import figures_of, record_in
from training.fit.fit_network import fit_network
from training.fit.result import FitResult, Progress, silent
from training.packaging import export
from training.packaging.cards.model_card import described
from training.packaging.package_manifest import require_place
from training.packaging.run_protocol import Twin, protocol
from training.pipelines.ensemble import EnsembleResult, Member, document_of, open_member
from training.pipelines.train import (
    AGREEMENT_PICTURES,
    CACHE,
    LITERT,
    TrainingResult,
    known_parts,
    measure,
    weight_files,
)


def retrain_on_all(
    twin: Path,
    data: Path,
    out: Path,
    *,
    work: Path | None = None,
    weights: Path | None = None,
    progress: Progress = silent,
) -> TrainingResult | EnsembleResult:
    """Fit the networks of a package again from its training and validation pictures, and write them with its choices.

    Parameters
    ----------
    twin
        The folder of a package, of one network or of several, as :mod:`training.pipelines.train` or
        :mod:`training.pipelines.ensemble` wrote it.
    data
        The data folder that it learnt from.
    out
        The new package's folder, written as a whole or not at all; a package that is there is replaced.
    work, weights, progress
        As of :func:`training.pipelines.train.train`.

    Raises
    ------
    DataError
        As :func:`training.pipelines.train.train` does.
    """
    package = load_package(twin)
    members = [open_member(member.folder) for member in package.members]
    recipe, quick = members[0].recipe, any(member.quick for member in members)
    selection = select_examples(recipe, data)
    if quick:
        selection = cut_down(selection, recipe)
    require_place(out)
    split = selection.split
    require_readable((*split.training, *split.validation, *split.test, *selection.kept_apart))
    # Patients of the validation part are in two parts now: learnt from, and what the twin was chosen on.
    selection = replace(selection, split=Split((*split.training, *split.validation), split.validation, split.test))
    fits: list[FitResult] = []
    with tempfile.TemporaryDirectory() as scratch:
        several = isinstance(package, EnsemblePackage)
        folders = [Path(scratch) / str(number) for number in range(len(members))] if several else [out]
        result: TrainingResult | EnsembleResult
        for number, (member, folder) in enumerate(zip(members, folders, strict=True), 1):

            def shown(what: str, done: int, of: int, number: int = number) -> None:
                progress(f"retraining, network {number} of {len(members)}: {what}", done, of)

            fits.append(
                fit_network(member.recipe, selection.split, data, work or CACHE, weights=weights, progress=shown)
            )
            result = _network(member, fits[-1], selection, folder, shown)
        if isinstance(package, EnsemblePackage):
            result = _ensemble(package, folders, selection, out, progress)
    for fitted in fits:
        fitted.forget()
    return result


def _network(member: Member, fitted: FitResult, selection: Selection, out: Path, progress: Progress) -> TrainingResult:
    """Write a network that learnt again, with its twin's choices and figures of its own."""
    twin, recipe = member.package, member.recipe
    with tempfile.TemporaryDirectory() as scratch:
        files = weight_files(fitted, Path(scratch))
        draft = write_package(Path(scratch) / "draft", twin.manifest, {**files, CARD: b"", FIGURES: b"{}"})
        few = [read_picture(one.path) for one in selection.split.validation[:AGREEMENT_PICTURES]]
        differ = export.require_agreement(draft, few)
        served = Model(draft, [open_engine(draft, LITERT)])
        figures = {
            **figures_of(twin),
            "protocol": protocol(recipe, selection, quick=member.quick, twin=Twin.of(twin)),
            "engines_differ_at_most": float(f"{differ:.1e}"),
            "losses": fitted.rounded,
            "known_parts": known_parts(recipe, served, replace(selection.split, validation=()), progress),
            **measure(recipe, served, selection, progress, rsna_thresholds=member.record.rsna_thresholds or {}),
        }
        return TrainingResult(
            write_package(out, twin.manifest, {**files, **described(twin.manifest, figures)}), figures
        )


def _ensemble(
    twin: EnsemblePackage, folders: Sequence[Path], selection: Selection, out: Path, progress: Progress
) -> EnsembleResult:
    """Write the mean of networks that learnt again, with the operating points of their twins' mean."""
    members = [open_member(folder) for folder in folders]
    recipe, thresholds = members[0].recipe, record_in(twin).rsna_thresholds or {}
    with tempfile.TemporaryDirectory() as scratch:
        served = Model.open(write_ensemble(Path(scratch) / "draft", twin.manifest, folders))
        measured = measure(recipe, served, selection, progress, rsna_thresholds=thresholds)
    figures = document_of(twin.manifest, members, selection, measured, Twin.of(twin))
    files = described(twin.manifest, figures, [member.package.manifest for member in members])
    return EnsembleResult(write_ensemble(out, twin.manifest, folders, files), figures)

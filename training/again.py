"""Fitting once more, from the validation pictures, too, when all has been chosen without them.

Probabilities and operating points must be chosen on pictures that the network has not learnt from, and those pictures
are then missing where it learns. So each network is fitted twice, with the same settings and seed: its *twin* without
the validation pictures, on which all is chosen; then the one that ships, from both parts, which takes over what was
chosen. It has seen more and is hardly any surer of itself, so the numbers fit it as well; the test part, which neither
has seen, says how well.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inference.engines import open_engine
from inference.model import Model
from inference.package import CARD, FIGURES, EnsemblePackage, load_package, write_ensemble, write_package
from training import export
from training.cards.model_card import described
from training.data.examples import Split
from training.data.pictures import read_picture, require_readable
from training.ensemble import Made, Member, document_of, open_member
from training.evaluation.protocol import figures_of, record_in
from training.fit_any import fit_any
from training.learnt import Learnt, Progress, silent
from training.package import require_place
from training.protocol import protocol, twin_in
from training.run import AGREEMENT_PICTURES, CACHE, LITERT, Trained, known_parts, measure, weight_files
from training.select import Selection, cut_down, select


def learn_again(
    twin: Path,
    data: Path,
    out: Path,
    *,
    work: Path | None = None,
    weights: Path | None = None,
    progress: Progress = silent,
) -> Trained | Made:
    """Fit the networks of a package again from its training and validation pictures, and write them with its choices.

    Parameters
    ----------
    twin
        The folder of a package, of one network or of several, as :mod:`training.run` or :mod:`training.ensemble`
        wrote it.
    data
        The data folder that it learnt from.
    out
        The new package's folder, written as a whole or not at all; a package that is there is replaced.
    work, weights, progress
        As of :func:`training.run.train`.

    Raises
    ------
    DataError
        As :func:`training.run.train` does.
    """
    package = load_package(twin)
    members = [open_member(member.folder) for member in package.members]
    recipe, quick = members[0].recipe, any(member.quick for member in members)
    selection = select(recipe, data)
    if quick:
        selection = cut_down(selection, recipe)
    require_place(out)
    split = selection.split
    require_readable((*split.training, *split.validation, *split.test, *selection.kept_apart))
    # Patients of the validation part are in two parts now: learnt from, and what the twin was chosen on.
    selection = replace(selection, split=Split((*split.training, *split.validation), split.validation, split.test))
    fitted: list[Learnt] = []
    with tempfile.TemporaryDirectory() as scratch:
        several = isinstance(package, EnsemblePackage)
        folders = [Path(scratch) / str(number) for number in range(len(members))] if several else [out]
        made: Trained | Made
        for number, (member, folder) in enumerate(zip(members, folders, strict=True), 1):

            def shown(what: str, done: int, of: int, number: int = number) -> None:
                progress(f"again, network {number} of {len(members)}: {what}", done, of)

            fitted.append(fit_any(member.recipe, selection.split, data, work or CACHE, weights=weights, progress=shown))
            made = _network(member, fitted[-1], selection, folder, shown)
        if isinstance(package, EnsemblePackage):
            made = _ensemble(package, folders, selection, out, progress)
    for learnt in fitted:
        learnt.forget()
    return made


def _network(member: Member, learnt: Learnt, selection: Selection, out: Path, progress: Progress) -> Trained:
    """Write a network that learnt again, with its twin's choices and figures of its own."""
    twin, recipe = member.package, member.recipe
    with tempfile.TemporaryDirectory() as scratch:
        files = weight_files(learnt, Path(scratch))
        draft = write_package(Path(scratch) / "draft", twin.manifest, {**files, CARD: b"", FIGURES: b"{}"})
        few = [read_picture(one.path) for one in selection.split.validation[:AGREEMENT_PICTURES]]
        differ = export.require_agreement(draft, few)
        served = Model(draft, [open_engine(draft, LITERT)])
        figures = {
            **figures_of(twin),
            "protocol": {**protocol(recipe, selection, quick=member.quick), **twin_in(twin)},
            "engines_differ_at_most": float(f"{differ:.1e}"),
            "losses": learnt.rounded,
            "known_parts": known_parts(recipe, served, replace(selection.split, validation=()), progress),
            **measure(recipe, served, selection, progress, rsna_thresholds=member.record.rsna_thresholds or {}),
        }
        return Trained(write_package(out, twin.manifest, {**files, **described(twin.manifest, figures)}), figures)


def _ensemble(
    twin: EnsemblePackage, folders: Sequence[Path], selection: Selection, out: Path, progress: Progress
) -> Made:
    """Write the mean of networks that learnt again, with the operating points of their twins' mean."""
    members = [open_member(folder) for folder in folders]
    recipe, thresholds = members[0].recipe, record_in(twin).rsna_thresholds or {}
    with tempfile.TemporaryDirectory() as scratch:
        served = Model.open(write_ensemble(Path(scratch) / "draft", twin.manifest, folders))
        measured = measure(recipe, served, selection, progress, rsna_thresholds=thresholds)
    figures = document_of(twin.manifest, members, selection, measured)
    figures["protocol"] |= twin_in(twin)
    files = described(twin.manifest, figures, [member.package.manifest for member in members])
    return Made(write_ensemble(out, twin.manifest, folders, files), figures)

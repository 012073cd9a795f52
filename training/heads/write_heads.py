"""A package with new heads: its networks, their mean, what its figures and its card say."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inference.ensemble import draft
from inference.manifest import Manifest
from inference.package import (
    CARD,
    FIGURES,
    KERAS_MODEL,
    LITERT_MODEL,
    AnyPackage,
    EnsemblePackage,
    ModelPackage,
    write_ensemble,
    write_package,
)
from training.calibration.logistic import Logistic
from training.data.examples import Example, Split
from training.data.image_files import read_picture
from training.data.selection import Selection
from training.evaluation.record import figures_of
from training.heads.films_of_recipe import Films, may_teach
from training.heads.fit_heads import Layer
from training.heads.heads_recipe import HeadsRecipe
from training.heads.recalibrate import FEWEST, points_for, recalibrated, truth_of
from training.packaging import export
from training.packaging.run_protocol import protocol
from training.recipe.recipe import HeadSettings, Recipe


def write_network(
    member: ModelPackage,
    recipe: HeadsRecipe,
    head: HeadSettings,
    layer: Layer,
    said: NDArray[np.float64],
    films: Sequence[Example],
    calibrated: NDArray[np.bool_],
    folder: Path,
    few: Sequence[Path],
    figures: dict[str, Any],
) -> ModelPackage:
    """Write one network with its new head, calibrated on what its twins said of films that did not teach them."""
    network = keras.saving.load_model(member.path(KERAS_MODEL), compile=False)
    _set(network.get_layer(f"head_{head.name}"), layer, head, member.manifest)
    export.round_to_half(network)
    findings = tuple(
        recalibrated(spec, said[:, head.classes.index(spec.class_)], films, calibrated)
        if spec.head == head.name
        else spec
        for spec in member.manifest.findings
    )
    manifest = member.manifest.model_copy(update={"version": recipe.package.version, "findings": findings})
    kept: dict[str, bytes | Path] = {name: member.folder / name for name in member.manifest.files}
    files = {**kept, KERAS_MODEL: export.keras_bytes(network), LITERT_MODEL: export.litert_bytes(network)}
    told = {**figures, "package": {"name": manifest.name, "version": manifest.version}}
    files |= {FIGURES: (json.dumps(told, indent=1) + "\n").encode(), CARD: _card(recipe, figures).encode()}
    package = write_package(folder, manifest, files)
    export.require_agreement(package, [read_picture(path) for path in few])
    return package


def _set(dense: keras.layers.Layer, layer: Layer, head: HeadSettings, manifest: Manifest) -> None:
    """Put the fitted columns into a dense layer; the others, and those that could not be fitted, stay."""
    kernel, bias = (np.array(part) for part in dense.get_weights())
    names = manifest.head(head.name).names
    for place, name in enumerate(head.classes):
        if np.isfinite(layer.bias[place]):
            column = names.index(name)
            kernel[:, column], bias[column] = layer.kernel[:, place], layer.bias[place]
    dense.set_weights([kernel, bias])


def write_mean(
    base: EnsemblePackage,
    recipe: HeadsRecipe,
    head: HeadSettings,
    members: Sequence[ModelPackage],
    said: NDArray[np.float64],
    films: Sequence[Example],
    calibrated: NDArray[np.bool_],
    out: Path,
    figures: dict[str, Any],
) -> EnsemblePackage:
    """Write the mean of the networks; points of the new head's findings are chosen on the mean's probabilities."""
    planned = draft(
        [member.manifest for member in members],
        name=recipe.package.name,
        version=recipe.package.version,
        title=recipe.package.title,
        summary=" ".join(recipe.package.summary.split()),
        licence=base.manifest.licence,
        intended_use=base.manifest.intended_use,
    )
    own = {spec.label: spec for spec in base.manifest.findings}
    findings = []
    for mean in planned.findings:
        of_network = [member.manifest.finding(mean.label) for member in members]
        if of_network[0].head != head.name:
            findings.append(own[mean.label])
            continue
        probability = np.mean(
            [
                Logistic((one.calibration.class_,), one.calibration.bias)(part[:, head.classes.index(one.class_), None])
                for one, part in zip(of_network, said, strict=True)
            ],
            axis=0,
        )
        rows, truth = truth_of(films, calibrated & np.isfinite(probability), of_network[0].class_)
        if min(truth.sum(), (~truth).sum()) >= FEWEST:
            findings.append(mean.model_copy(update={"points": points_for(probability[rows], truth)}))
        else:
            findings.append(mean)
    manifest = planned.model_copy(
        update={
            "findings": tuple(findings),
            "detectors": base.manifest.detectors,
            "likeness": base.manifest.likeness,
        }
    )
    files = {FIGURES: (json.dumps(figures, indent=1) + "\n").encode(), CARD: _card(recipe, figures).encode()}
    return write_ensemble(out, manifest, [member.folder for member in members], files)


def figures_for(recipe: HeadsRecipe, base: AnyPackage, chosen: Films, *, quick: bool) -> dict[str, Any]:
    """Return what the package's figures say: how the heads were made, and whose films any of it learnt from."""
    trained = Recipe.model_validate(figures_of(base)["recipe"])
    renamed = trained.model_copy(update={"package": recipe.package})
    learnt = chosen.trunk_learnt | may_teach(chosen, recipe)
    training = tuple(film for film, is_learnt in zip(chosen.films, learnt, strict=True) if is_learnt)
    held = np.asarray([film.source in recipe.data.sources for film in chosen.films]) & ~learnt
    test = tuple(film for film, is_held in zip(chosen.films, held, strict=True) if is_held)
    return {
        "format": 2,
        "package": {"name": recipe.package.name, "version": recipe.package.version},
        "recipe": renamed.model_dump(mode="json", by_alias=True),
        "heads": {"recipe": recipe.model_dump(mode="json"), "base": base.manifest.version, "quick": quick},
        "protocol": protocol(renamed, Selection(Split(training, (), test), (), (), {}), quick=quick),
    }


def _card(recipe: HeadsRecipe, figures: Mapping[str, Any]) -> str:
    """Return the card, in Markdown."""
    part = figures["protocol"]["parts"]["training"]
    counts = "\n".join(f"| {name} | {count} |" for name, count in part["sources"].items())
    return f"""# {recipe.package.title}

{" ".join(recipe.package.summary.split())}

The networks are those of {recipe.base} {figures["heads"]["base"]}; only the head `{recipe.head}` is new. Regions,
opacity and everything else are what that package's card says.

## What networks and heads learnt from

{part["pictures"]} films of {part["patients"]} patients:

| collection | films |
|---|---|
{counts}

A label says nothing about what its collection did not look for, and such answers were left out of the fit. Films of
COVID-19 and of tuberculosis were taken not to show what these diseases do not show.

## What it cannot do

The findings of the new head are scored and not stated until they are measured with radiologists' exhaustive reads. For
research; not a medical device.
"""

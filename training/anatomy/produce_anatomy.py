"""``cxrnode train anatomy``: from outlined films to an anatomy package, its card and its figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from config.errors import DataError, PackageError
from config.settings import InferenceSettings
from inference.anatomy.manifest import AnatomyManifest
from inference.anatomy.network import AnatomyNetwork
from inference.engines import open_engine
from inference.package import CARD, FIGURES, KERAS_MODEL, LITERT_MODEL, AnatomyPackage, write_anatomy
from training.anatomy.anatomy_recipe import AnatomyRecipe
from training.anatomy.draw_changes import draw_changes
from training.anatomy.fit_anatomy import fit
from training.anatomy.masked_films import MaskedFilm, masked_films
from training.anatomy.measure_outlines import agreements, summary
from training.fit.result import Progress, silent
from training.packaging.export import keras_bytes, litert_bytes, round_to_half
from training.packaging.package_manifest import INTENDED_USE, LICENCE, require_place

_FEWEST = 4
_TOLERANCE = 0.01
"""How far the two engines may differ in any probability of any cell. Weights rounded to float16 make 0.001 in the worst
of 16,384 probabilities, and an outline, where probabilities cross, moves by far less than a cell."""


@dataclass(frozen=True, slots=True)
class Dealt:
    """Which outlined films a recipe learns from and which it is measured on."""

    taught: tuple[MaskedFilm, ...]
    left_out: tuple[MaskedFilm, ...]
    """The fold left out, of the collections it learns from."""
    elsewhere: tuple[MaskedFilm, ...]
    """Of collections it does not learn from."""


def deal(recipe: AnatomyRecipe, data: Path) -> Dealt:
    """Deal outlined films out as a recipe says. Raises :class:`DataError` where there are too few."""
    own = masked_films(data, recipe.data.sources)
    taught = tuple(film for film in own if film.film.fold != recipe.data.fold_left_out or film.film.fold is None)
    if len(taught) < _FEWEST:
        sources = ", ".join(recipe.data.sources)
        raise DataError(f"an anatomy network needs films of {sources} with masks: give a folder with masks.csv")
    kept = {film.film.file for film in taught}
    left_out = tuple(film for film in own if film.film.file not in kept)
    return Dealt(taught, left_out, masked_films(data, recipe.data.measured_sources))


def produce(
    recipe: AnatomyRecipe,
    data: Path,
    out: Path,
    *,
    quick: bool = False,
    processes: int = 1,
    progress: Progress = silent,
) -> AnatomyPackage:
    """Train an anatomy network and write its package.

    Parameters
    ----------
    recipe
        What is learnt from what.
    data
        A folder as :func:`training.anatomy.masked_films.masked_films` takes it.
    out
        Where the package goes; one that is there is replaced.
    quick
        A few films, one epoch: to see that all works.
    processes
        How many draw changed films at once.
    progress
        Called with (what, done, of).

    Raises :class:`DataError` where there is too little to learn from.
    """
    require_place(out)
    recipe, dealt = (recipe.quick() if quick else recipe), deal(recipe, data)
    if quick:
        dealt = Dealt(dealt.taught[:8], dealt.left_out[:4], dealt.elsewhere[:4])
    progress("films changed", 0, len(dealt.taught))
    sides = recipe.fit.drawn_side, recipe.network.side
    films = draw_changes(dealt.taught, recipe.fit.changes, *sides, recipe.seed, processes)
    progress("films changed", len(dealt.taught), len(dealt.taught))
    network = fit(
        films,
        widths=recipe.network.widths,
        epochs=recipe.fit.epochs,
        batch=recipe.fit.batch,
        learning_rate=recipe.fit.learning_rate,
        seed=recipe.seed,
        progress=progress,
    )
    return write(recipe, network, dealt, out, quick=quick, progress=progress)


def write(
    recipe: AnatomyRecipe, network: keras.Model, dealt: Dealt, out: Path, *, quick: bool, progress: Progress = silent
) -> AnatomyPackage:
    """Write a fitted network as a package, measured by the code that serves."""
    round_to_half(network)
    files: dict[str, bytes | Path] = {LITERT_MODEL: litert_bytes(network), KERAS_MODEL: keras_bytes(network)}
    files |= {CARD: b"", FIGURES: b"{}"}
    package = write_anatomy(out, manifest(recipe), files)
    require_agreement(package)
    opened = AnatomyNetwork.open(package)
    measured = {}
    for name, films in (("fold_left_out", dealt.left_out), ("elsewhere", dealt.elsewhere)):
        progress(f"{name.replace('_', ' ')}: measured", 0, len(films))
        measured[name] = summary(agreements(opened, films))
        progress(f"{name.replace('_', ' ')}: measured", len(films), len(films))
    figures = _figures(recipe, dealt, measured, network.count_params(), quick=quick)
    files[CARD] = card(recipe, figures).encode()
    files[FIGURES] = (json.dumps(figures, indent=1) + "\n").encode()
    return write_anatomy(out, manifest(recipe), files)


def manifest(recipe: AnatomyRecipe) -> AnatomyManifest:
    """Return the manifest, but for the files' hashes."""
    side = recipe.network.side
    return AnatomyManifest.model_validate(
        {
            "name": recipe.package.name,
            "version": recipe.package.version,
            "title": recipe.package.title,
            "summary": recipe.package.summary,
            "licence": LICENCE,
            "intended_use": INTENDED_USE,
            "input": {"rows": side, "columns": side, "contrast": "stretched"},
        }
    )


def require_agreement(package: AnatomyPackage, images: int = 2) -> float:
    """Return the largest difference between LiteRT and TensorFlow in any probability on images of noise.

    Raises :class:`PackageError` when it is above the tolerance: the two files of the package would not be one model.
    """
    rng, size = np.random.default_rng(0), package.manifest.input
    batches = [rng.random((1, size.rows, size.columns, 1), np.float32) for _ in range(images)]
    answers = []
    for name in ("litert", "tensorflow"):
        engine = open_engine(package, InferenceSettings(engine=name))
        answers.append(np.stack([_softmax(engine.forward(batch)[0]) for batch in batches]))
    largest = float(np.abs(answers[0] - answers[1]).max())
    if largest > _TOLERANCE:
        raise PackageError(f"LiteRT and TensorFlow differ by {largest:.4f} on one image: export float32 weights")
    return largest


def card(recipe: AnatomyRecipe, figures: Mapping[str, Any]) -> str:
    """Return the model card, in Markdown."""
    protocol = figures["protocol"]
    taught = "\n".join(f"| {name} | {count} |" for name, count in protocol["films"].items())
    rows = "\n".join(_row(name, figures[key]) for name, key in _MEASURED if figures[key]["films"])
    return f"""# {recipe.package.title}

{recipe.package.summary}

{INTENDED_USE} Licence of the weights: {LICENCE}. The films' and outlines' own terms are those of their collections.

## What it learnt from

{protocol["changes"]} changed images of each film, epochs: {recipe.fit.epochs}; nothing was started from other weights.
{protocol["parameters"]} parameters.

| source | films with outlines |
|---|---|
{taught}

`jsrt` is the database of the Japanese Society of Radiological Technology (Shiraishi et al., AJR 2000), PA films, with
the outlines of lungs and heart of SCR (van Ginneken et al., Med Image Anal 2006); for research, with citation. Outlines
of `shenzhen` (Stirenko et al. 2018, CC BY-NC-SA 4.0; films by Jaeger et al. 2014) measured it and taught nothing.

## How well it outlines

Means over films; distances between outlines in pixels of an image of 256 pixels a side. Figures with hearts of films it
never saw, and with cardiomegaly, stand in `docs/models.md`.

| films | number | lungs, Dice | lungs, distance | heart, Dice | heart, distance | error of the cardiothoracic ratio |
|---|---|---|---|---|---|---|
{rows}

## What it cannot do

It learnt from upright PA films of adults with few diseases of the lungs. A lung that is white throughout, a chest after
surgery, a child or an oblique view may be outlined wrongly, and nothing in its output says so. On AP films the heart is
magnified. Widths and areas are ratios; none is given in millimetres.
"""


_MEASURED = (("of the fold left out", "fold_left_out"), ("of other collections", "elsewhere"))


def _row(name: str, measured: Mapping[str, Any]) -> str:
    def shown(key: str, form: str) -> str:
        return "–" if measured[key] is None else format(measured[key], form)

    return (
        f"| {name} | {measured['films']} | {shown('lungs_dice', '.3f')} | {shown('lungs_distance', '.2f')} | "
        f"{shown('heart_dice', '.3f')} | {shown('heart_distance', '.2f')} | {shown('ratio_error', '.3f')} |"
    )


def _figures(
    recipe: AnatomyRecipe, dealt: Dealt, measured: Mapping[str, Any], parameters: int, *, quick: bool
) -> dict[str, Any]:
    protocol = {
        "quick": quick,
        "seed": recipe.seed,
        "changes": recipe.fit.changes,
        "epochs": recipe.fit.epochs,
        "parameters": parameters,
        "films": _counts(dealt.taught),
        "fold_left_out": recipe.data.fold_left_out,
        "measured_on": _counts(dealt.elsewhere),
    }
    return {"protocol": protocol, **measured}


def _counts(films: Sequence[MaskedFilm]) -> dict[str, int]:
    sources = [film.film.source for film in films]
    return {name: sources.count(name) for name in sorted(set(sources))}


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))

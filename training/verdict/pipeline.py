"""``cxrnode train verdict``: from films to a verdict package, its card and its figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from config.errors import DataError, PackageError
from config.settings import InferenceSettings
from inference.engines import open_engine
from inference.package import CARD, FIGURES, KERAS_MODEL, LITERT_MODEL, VerdictPackage, write_verdict
from inference.pixels import Picture
from inference.verdict.decide import Answers
from inference.verdict.heads import VERDICT_HEADS
from inference.verdict.manifest import VerdictManifest
from inference.verdict.network import VerdictNetwork
from training.data.examples import FRONTAL, Example, View
from training.data.films import all_films
from training.fit.result import Progress, silent
from training.packaging.export import TOLERANCE, keras_bytes, litert_bytes, round_to_half
from training.packaging.package_manifest import INTENDED_USE, LICENCE, require_place
from training.verdict.draw_samples import Films, draw_samples
from training.verdict.fit_verdict import fit
from training.verdict.network import HEADS, with_heads
from training.verdict.upright_films import chosen, small
from training.verdict.verdict_recipe import VerdictRecipe

_FEWEST_FRONTALS, _FEWEST_LATERALS = 8, 1
_MARGINS = (0.02, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Images that need no data set: phantoms, and images of something else; (rows, columns) uint8 each."""

    frontals: Sequence[NDArray[np.uint8]] = ()
    laterals: Sequence[NDArray[np.uint8]] = ()
    others: Sequence[NDArray[np.uint8]] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """Which films a recipe learns from and which it keeps apart."""

    frontals: tuple[Example, ...]
    laterals: tuple[Example, ...]
    validation: tuple[Example, ...]

    def counts(self) -> dict[str, int]:
        """Return how many films each source teaches, laterals by themselves."""
        counts: dict[str, int] = {}
        for film in (*self.frontals, *self.laterals):
            name = film.source if film.view in FRONTAL else f"{film.source} (lateral)"
            counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items()))


def parts(recipe: VerdictRecipe, films: Sequence[Example]) -> Parts:
    """Deal films out as a recipe says; a patient of the validation part teaches nothing."""
    data = recipe.data
    validation = [
        film for film in films if film.source in data.validation_sources and film.fold == data.validation_fold
    ]
    patients = {film.patient for film in validation}
    frontals, laterals = (
        [film for film in chosen(films, sources) if film.patient not in patients]
        for sources in (data.sources, data.lateral_sources or data.sources)
    )
    return Parts(
        tuple(film for film in frontals if film.view in FRONTAL),
        tuple(film for film in laterals if film.view is View.LATERAL and film.fold in data.lateral_folds),
        tuple(film for film in chosen(validation, data.validation_sources) if film.view in FRONTAL),
    )


def produce(
    recipe: VerdictRecipe,
    data: Path,
    out: Path,
    *,
    drawn: Drawn | None = None,
    quick: bool = False,
    processes: int = 1,
    progress: Progress = silent,
) -> VerdictPackage:
    """Train a verdict network and write its package.

    Parameters
    ----------
    recipe
        What is learnt from what.
    data
        A folder as :func:`training.data.films.all_films` takes it.
    out
        Where the package goes; one that is there is replaced.
    drawn
        Phantoms and the like, which teach beside the films.
    quick
        A few samples, one epoch: to see that all works.
    processes
        How many draw samples at once.
    progress
        Called with (what, done, of).

    Raises :class:`DataError` where there is too little to learn from.
    """
    require_place(out)
    recipe, drawn = (recipe.quick() if quick else recipe), drawn or Drawn()
    dealt = parts(recipe, all_films(data))
    if len(dealt.frontals) < _FEWEST_FRONTALS or len(dealt.laterals) + len(drawn.laterals) < _FEWEST_LATERALS:
        raise DataError("a verdict network needs frontal and lateral films of adults: give a folder that holds both")
    if quick:
        dealt = Parts(dealt.frontals[:40], dealt.laterals[:10], dealt.validation[:20])
    films = Films(
        [*_small(dealt.frontals, "frontal films", progress), *drawn.frontals],
        [*_small(dealt.laterals, "lateral films", progress), *drawn.laterals],
        drawn.others,
    )
    samples = draw_samples(films, recipe.fit.samples, recipe.network.side, recipe.seed, processes)
    network = fit(
        samples,
        widths=recipe.network.widths,
        dropout=recipe.network.dropout,
        epochs=recipe.fit.epochs,
        batch=recipe.fit.batch,
        learning_rate=recipe.fit.learning_rate,
        seed=recipe.seed,
        progress=progress,
    )
    return write(recipe, network, dealt, out, quick=quick, progress=progress)


def write(
    recipe: VerdictRecipe, network: keras.Model, dealt: Parts, out: Path, *, quick: bool, progress: Progress = silent
) -> VerdictPackage:
    """Write a fitted network as a package, measured on the validation films by the code that serves."""
    headed = with_heads(network)
    round_to_half(headed)
    files: dict[str, bytes | Path] = {LITERT_MODEL: litert_bytes(headed), KERAS_MODEL: keras_bytes(headed)}
    files |= {CARD: b"", FIGURES: b"{}"}
    package = write_verdict(out, manifest(recipe), files)
    require_agreement(package)
    opened = VerdictNetwork.open(package)
    usable = []
    for number, film in enumerate(dealt.validation, 1):
        gray = small(film.path, 512).astype(np.float32) / np.float32(255)
        usable.append(opened.answers(Picture(gray)).usable)
        progress("validation films judged", number, len(dealt.validation))
    figures = _figures(recipe, dealt, usable, network.count_params(), quick=quick)
    files[CARD] = card(recipe, figures).encode()
    files[FIGURES] = (json.dumps(figures, indent=1) + "\n").encode()
    return write_verdict(out, manifest(recipe), files)


def manifest(recipe: VerdictRecipe) -> VerdictManifest:
    """Return the manifest, but for the files' hashes."""
    heads = [
        {"name": name, "index": index, "activation": VERDICT_HEADS[name][0], "names": VERDICT_HEADS[name][1]}
        for index, name in enumerate(HEADS)
    ]
    side = recipe.network.side
    return VerdictManifest.model_validate(
        {
            "name": recipe.package.name,
            "version": recipe.package.version,
            "title": recipe.package.title,
            "summary": recipe.package.summary,
            "licence": LICENCE,
            "intended_use": INTENDED_USE,
            "input": {"rows": side, "columns": side, "contrast": "stretched"},
            "heads": tuple(heads),
            "margin": recipe.margin.model_dump(),
        }
    )


def require_agreement(package: VerdictPackage, images: int = 4) -> float:
    """Return the largest difference between LiteRT and TensorFlow in any probability on images of noise.

    Raises :class:`PackageError` when it is above the tolerance: the two files of the package would not be one model.
    """
    from inference.verdict.network import interpret

    rng, size = np.random.default_rng(0), package.manifest.input
    batches = [rng.random((1, size.rows, size.columns, 1), np.float32) for _ in range(images)]
    answers = []
    for name in ("litert", "tensorflow"):
        engine = open_engine(package, InferenceSettings(engine=name))
        answers.append(np.array([_numbers(interpret(package, engine.forward(batch))) for batch in batches]))
    largest = float(np.abs(answers[0] - answers[1]).max())
    if largest > TOLERANCE:
        raise PackageError(f"LiteRT and TensorFlow differ by {largest:.4f} on one image: export float32 weights")
    return largest


def card(recipe: VerdictRecipe, figures: Mapping[str, Any]) -> str:
    """Return the model card, in Markdown."""
    taught = "\n".join(f"| {name} | {count} |" for name, count in figures["protocol"]["films"].items())
    margins = "\n".join(
        f"| {row['accept']} | {row['stopped']} of {row['films']} |" for row in figures["validation"]["margins"]
    )
    return f"""# {recipe.package.title}

{recipe.package.summary}

{INTENDED_USE} Licence of the weights: {LICENCE}. The films' own terms are those of their collections.

## What it learnt from

{figures["protocol"]["samples"]} images drawn from upright films of adults, each seen {recipe.fit.epochs} times, and
from drawn phantoms; nothing was started from other weights. Films that are known to lie about themselves
(`known-wrong.csv`) taught nothing.

| source | films |
|---|---|
{taught}

Images of something else were drawn, or made of chest films that were enlarged, shuffled or scrambled. No radiograph of
another body part and no slice of a real CT taught it.

## Good films stopped, by margin

Frontal films of adults of the validation fold, other patients of collections it learnt from. Their rows may be wrong.
Figures on collections it never saw stand in `docs/models.md`.

| accepted from | stopped |
|---|---|
{margins}

## What it cannot do

It was not taught radiographs of children, of the abdomen with the chest (babygrams), or oblique views, and it does not
judge exposure, breathing or slight rotation of the patient.
"""


def _figures(
    recipe: VerdictRecipe, dealt: Parts, usable: Sequence[float], parameters: int, *, quick: bool
) -> dict[str, Any]:
    margins = [
        {"accept": accept, "films": len(usable), "stopped": int(sum(value < accept for value in usable))}
        for accept in _MARGINS
    ]
    protocol = {
        "quick": quick,
        "seed": recipe.seed,
        "samples": recipe.fit.samples,
        "epochs": recipe.fit.epochs,
        "parameters": parameters,
        "films": dealt.counts(),
    }
    return {"protocol": protocol, "validation": {"margins": margins}}


def _numbers(answers: Answers) -> list[float]:
    return [
        answers.usable,
        *answers.content.values(),
        *answers.turn.values(),
        answers.negative,
        *answers.missing.values(),
        answers.mirrored,
    ]


def _small(films: Sequence[Example], what: str, progress: Progress) -> list[NDArray[np.uint8]]:
    images = []
    for number, film in enumerate(films, 1):
        images.append(small(film.path))
        progress(what, number, len(films))
    return images

"""The anatomy network's figures: outlines on films it never saw, and cardiomegaly from what is measured on them.

::

    .venv/bin/python -m benchmarks.anatomy --data DATA --folds FOLDER

``--folds`` holds one package for each fold of JSRT, ``fold-0`` to ``fold-4``, that did not learn from it; one that is
missing is trained, which takes minutes. ``--measured-folds`` takes some of them only. Lungs are measured on Shenzhen,
whose outlines teach nothing; hearts on JSRT, each film by the network that did not learn from its fold; cardiomegaly on
films of NIH, of which the network saw none.

Each figure has its floors beside it. Of outlines: the mean outline of the films that were learnt from, and their mean
ratio. Of cardiomegaly: the view alone, the header (view, age, sex) alone, the border alone (a frame of 16 of 256
pixels), each by a logistic regression fitted on other patients, and shuffled labels.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.anatomy.assess import assess
from inference.anatomy.measures import cardiothoracic_ratio
from inference.anatomy.network import AnatomyNetwork
from inference.anatomy.outlines import Outlines
from inference.anatomy.structures import HEART, LUNGS
from inference.package import MANIFEST
from inference.pixels import Picture
from training.anatomy.anatomy_recipe import AnatomyRecipe, find_recipe
from training.anatomy.masked_films import MaskedFilm, masked_films, read_mask
from training.anatomy.measure_outlines import Agreement, agreements
from training.anatomy.overlap import dice
from training.anatomy.produce_anatomy import produce
from training.data.csv_rows import rows
from training.data.films import known_wrong
from training.data.image_files import read_picture
from training.evaluation.binary import auroc
from training.evaluation.package_identity import package_identity
from training.evaluation.resample import Resamples

RESULTS = Path(__file__).parent / "results" / "anatomy.json"
FOLDS = range(5)
_SIDE = 256
_COLUMNS = ("file", "patient", "view", "age", "sex", "nih_labels")
_NAME = "Cardiomegaly"
_CURE = "give the data folder with more/ in it"
_FEWEST = 5
"""With fewer films that have it, nothing is ranked."""


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A frontal film of an adult of NIH or RSNA, what is known of it, and what the network measures on it."""

    file: str
    patient: str
    view: str
    header: tuple[float, ...]
    """View, age and sex as numbers."""
    border: NDArray[np.float32]
    """The grey levels of its frame."""
    mined: frozenset[str]
    """Labels mined from its report; empty where there are none."""
    ratio: float | None
    heart_share: float | None


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="benchmarks.anatomy", description="Measure the anatomy network.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True, help="folder of the packages that left a fold out")
    parser.add_argument("--measured-folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--package", default="anatomy")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    network, recipe = AnatomyNetwork.open(options.package), find_recipe("anatomy")
    if recipe is None:
        raise SystemExit("the recipe anatomy is missing: install cxrnode again")
    document = {
        "package": package_identity(network.package),
        "milliseconds": timing(network),
        "outlines": [
            *lungs_elsewhere(network, recipe, options.data),
            *hearts_left_out(recipe, options.data, options.folds, options.measured_folds),
        ],
        "cardiomegaly": cardiomegaly(network, options.data),
    }
    print(json.dumps(document, indent=1))
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def timing(network: AnatomyNetwork, repeats: int = 30) -> dict[str, float]:
    """Return how long an image of 2048 x 2048 pixels takes, in milliseconds."""
    picture = Picture(np.random.default_rng(0).random((2048, 2048), np.float32))
    canvas = network.input(picture)[0][None]
    forward, whole = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        network.run(canvas)
        forward.append(time.perf_counter() - start)
        start = time.perf_counter()
        assess(network.outlines(picture))
        whole.append(time.perf_counter() - start)
    times = {"forward_fastest": min(forward), "forward_median": median(forward)}
    times |= {"whole_fastest": min(whole), "whole_median": median(whole)}
    return {name: round(1000 * seconds, 2) for name, seconds in times.items()}


def lungs_elsewhere(network: AnatomyNetwork, recipe: AnatomyRecipe, data: Path) -> Iterator[dict[str, Any]]:
    """Measure lungs on collections whose outlines taught nothing."""
    taught = [read_mask(film.mask) for film in masked_films(data, recipe.data.sources)]
    mean = _mean_mask(taught, LUNGS)
    for source in recipe.data.measured_sources:
        films = masked_films(data, (source,))
        measured = list(agreements(network, films))
        floor = fmean(dice(mean, _resized(read_mask(film.mask), LUNGS)) for film in films)
        yield {"films": source, **_figures(measured, films), "floor_lungs_dice": floor}


def hearts_left_out(recipe: AnatomyRecipe, data: Path, folder: Path, folds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Measure on the collections that teach, each film by a network that did not learn from its fold."""
    films = masked_films(data, recipe.data.sources)
    measured: list[Agreement] = []
    ordered: list[MaskedFilm] = []
    floors: dict[str, list[float]] = {"lungs": [], "heart": [], "ratio": []}
    for fold in folds:
        package = folder / f"fold-{fold}"
        if not (package / MANIFEST).is_file():
            produce(recipe.without_fold(fold), data, package)
        network = AnatomyNetwork.open(package)
        left_out = [film for film in films if film.film.fold == fold]
        taught = [read_mask(film.mask) for film in films if film.film.fold != fold]
        means = {"lungs": _mean_mask(taught, LUNGS), "heart": _mean_mask(taught, (HEART,))}
        ratio = fmean(ratio_of_mask for mask in taught if (ratio_of_mask := _ratio(mask)) is not None)
        for film in left_out:
            mask = read_mask(film.mask)
            floors["lungs"].append(dice(means["lungs"], _resized(mask, LUNGS)))
            floors["heart"].append(dice(means["heart"], _resized(mask, (HEART,))))
            own = _ratio(mask)
            floors["ratio"] += [] if own is None else [abs(own - ratio)]
        measured += agreements(network, left_out)
        ordered += left_out
    yield {
        "films": f"{', '.join(recipe.data.sources)}, folds {', '.join(map(str, folds))}, left out",
        **_figures(measured, ordered),
        "floor_lungs_dice": fmean(floors["lungs"]),
        "floor_heart_dice": fmean(floors["heart"]),
        "floor_ratio_error": fmean(floors["ratio"]),
    }


def cardiomegaly(network: AnatomyNetwork, data: Path) -> list[dict[str, Any]]:
    """Return how ratio and heart's share rank cardiomegaly, with floors, by question and view."""
    films = {film.file: film for film in nih_films(network, data)}
    boxes = rows(data / "more" / "boxes.csv", ("file", "label", "source"), _CURE, same_length=False)
    boxed = {row["file"] for _, row in boxes if row["label"] == _NAME and row["source"] == "bbox2017"}
    read: dict[str, bool] = {}
    for _, row in rows(data / "more" / "reads.csv", ("file", "reader", "finding"), _CURE, same_length=False):
        if row["reader"] == "chestxdet":
            read[row["file"]] = read.get(row["file"], False) or _NAME in row["finding"].split("|")
    none = {file for file, film in films.items() if file.startswith("nihbox/") and film.mined == {"No Finding"}}
    mined = {file: _NAME in film.mined for file, film in films.items() if file.startswith("nih/") and film.mined}
    questions: dict[str, dict[str, bool]] = {
        "mined labels of NIH": mined,
        "boxed by a radiologist, against no finding": {
            **dict.fromkeys(sorted(none), False),
            **dict.fromkeys(sorted(boxed), True),
        },
        "exhaustive reads of ChestX-Det": read,
    }
    answers = []
    for question, truths in questions.items():
        labelled = [(films[file], truth) for file, truth in truths.items() if file in films]
        for view in ("all", "PA", "AP"):
            chosen = [(film, truth) for film, truth in labelled if view in {"all", film.view}]
            if sum(truth for _, truth in chosen) >= _FEWEST:
                answers.append({"question": question, "view": view, **_ranked(chosen, floors=view == "all")})
    return answers


def nih_films(network: AnatomyNetwork, data: Path) -> Iterator[Film]:
    """Yield the frontal films of adults of NIH and RSNA, measured."""
    wrong = known_wrong(data / "known-wrong.csv")
    for folder in (data, data / "more"):
        for _, row in rows(folder / "manifest.csv", _COLUMNS, _CURE, same_length=False):
            path = folder / "images" / row["file"]
            if row["file"].split("/")[0] not in {"nih", "rsna", "nihbox", "rsnanormal"} or row["view"] not in {
                "PA",
                "AP",
            }:
                continue
            age = float(row["age"]) if row["age"].replace(".", "", 1).isdigit() else 50.0
            if age < 18 or path.relative_to(data).as_posix() in wrong:
                continue
            picture = read_picture(path)
            anatomy = assess(network.outlines(picture))
            ratio = None if anatomy.ratio is None else anatomy.ratio.ratio
            header = (float(row["view"] == "AP"), age, float(row["sex"] == "M"), float(row["sex"] == "F"))
            mined = frozenset(filter(None, row["nih_labels"].split("|")))
            yield Film(
                row["file"], row["patient"], row["view"], header, border_of(picture), mined, ratio, anatomy.heart_share
            )


def _ranked(chosen: Sequence[tuple[Film, bool]], *, floors: bool) -> dict[str, Any]:
    """Return AUROCs with 95 % intervals by patient; a film without a measure counts as the median of the others."""
    films, truth = [film for film, _ in chosen], np.array([truth for _, truth in chosen])
    patients = [film.patient for film in films]
    resamples = Resamples.of(patients, 1).on(np.arange(len(films)))

    def figure(scores: NDArray[np.float64]) -> dict[str, Any]:
        return resamples.measure(lambda weights: auroc(scores, truth, weights)).figure().as_json()

    answer = {
        "films": len(films),
        "positives": int(truth.sum()),
        "without_ratio": sum(film.ratio is None for film in films),
        "ratio": figure(_filled([film.ratio for film in films])),
        "heart_share": figure(_filled([film.heart_share for film in films])),
    }
    if floors:
        headers = np.array([film.header for film in films])
        borders = np.array([film.border for film in films])
        rng = np.random.default_rng(1)
        answer["floors"] = {
            "view": figure(fitted_elsewhere(headers[:, :1], truth, patients)),
            "header": figure(fitted_elsewhere(headers, truth, patients)),
            "border": figure(fitted_elsewhere(borders, truth, patients)),
            "shuffled": figure(_filled([films[at].heart_share for at in rng.permutation(len(films))])),
        }
    return answer


def fitted_elsewhere(inputs: NDArray[Any], truth: NDArray[np.bool_], patients: Sequence[str]) -> NDArray[np.float64]:
    """Return the scores of a logistic regression, each film's by one that was fitted on other patients."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    scores = cross_val_predict(model, inputs, truth, groups=patients, cv=GroupKFold(5), method="decision_function")
    return np.asarray(scores, np.float64)


def _filled(values: Sequence[float | None]) -> NDArray[np.float64]:
    there = [value for value in values if value is not None]
    middle = median(there)
    return np.array([middle if value is None else value for value in values])


def border_of(picture: Picture) -> NDArray[np.float32]:
    """Return a frame of 16 of 256 pixels, in means of 8 by 8 pixels."""
    small = np.asarray(Image.fromarray(picture.gray).resize((32, 32), Image.Resampling.BOX))
    inner = np.zeros((32, 32), bool)
    inner[2:-2, 2:-2] = True
    return np.asarray(small[~inner], np.float32)


def _figures(measured: Sequence[Agreement], films: Sequence[MaskedFilm]) -> dict[str, Any]:
    """Return means over films with 95 % intervals by patient."""
    resamples = Resamples.of([film.film.patient for film in films], 1)
    answer: dict[str, Any] = {"number": len(measured)}
    columns = {
        "lungs_dice": [row.lungs_dice for row in measured],
        "lungs_distance": [row.lungs_distance for row in measured],
        "heart_dice": [row.heart_dice for row in measured],
        "heart_distance": [row.heart_distance for row in measured],
        "ratio_error": [None if row.ratio_error is None else abs(row.ratio_error) for row in measured],
        "ratio_bias": [row.ratio_error for row in measured],
    }
    for name, column in columns.items():
        measured = np.array(
            [at for at, value in enumerate(column) if value is not None and np.isfinite(value)], np.intp
        )
        if len(measured):
            values = np.array([column[at] for at in measured], np.float64)
            mean = resamples.on(measured).measure(lambda weights, values=values: weights @ values / weights.sum(axis=1))
            answer[name] = mean.figure().as_json()
            answer[f"{name}_films"] = len(measured)
    return answer


def _mean_mask(masks: Sequence[NDArray[np.uint8]], structures: Sequence[int]) -> NDArray[np.bool_]:
    total = np.zeros((_SIDE, _SIDE))
    for mask in masks:
        total += _resized(mask, structures)
    return total >= len(masks) / 2


def _resized(mask: NDArray[np.uint8], structures: Sequence[int]) -> NDArray[np.bool_]:
    image = Image.fromarray(np.isin(mask, structures).astype(np.uint8))
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.NEAREST)) > 0


def _ratio(mask: NDArray[np.uint8]) -> float | None:
    ratio = cardiothoracic_ratio(Outlines(mask, *mask.shape))
    return None if ratio is None else ratio.ratio


if __name__ == "__main__":
    main()

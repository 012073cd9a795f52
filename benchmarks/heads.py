"""New heads on the networks of a package, beside the heads that it has, on films that taught neither.

::

    .venv/bin/python -m benchmarks.heads --data DATA --features FILE [--recipe chest-heads] [--scores FILE]

Every film is asked of heads that did not learn from its patient and, for the collections that the recipe leaves out,
from its whole source; only films of patients that the networks did not learn from count. ``--features`` keeps what the
networks make of the films; with ``--kept`` films that are not in it are left out, which saves hours. ``--scores`` is
the file of ``benchmarks.stated`` with the package's own scores, for what a lower point of opacity would do.

Beside the figures stand their floors: the view alone, the header (view, age, sex) alone, the border alone (a frame of
16 of 256 pixels), each by a logistic regression fitted on other patients, and shuffled labels.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.anatomy import border_of, fitted_elsewhere
from inference.package import KERAS_MODEL, AnyPackage, load_package
from training.data.csv_rows import rows
from training.data.examples import Example
from training.data.image_files import read_picture
from training.data.many_sources import BOXES_OF_RADIOLOGISTS, CHESTXDET_TERMS, chestxdet_reads, many_sources
from training.data.terms import LUNG_OPACITY, NO_FINDING, NORMAL, mined_truths
from training.evaluation.binary import auroc
from training.evaluation.package_identity import package_identity
from training.evaluation.resample import Resamples, mean_of
from training.heads.films_of_recipe import Films, choose_films, seen_films
from training.heads.fit_heads import Layer, margins
from training.heads.heads_recipe import find_recipe
from training.heads.left_out import left_out_margins
from training.heads.pooled_features import kept_names
from training.heads.produce_heads import head_of
from training.recipe.recipe import HeadSettings

RESULTS = Path(__file__).parent / "results" / "heads.json"
SPECIFICITY = 0.95
"""On films of the hospital learnt from that are known not to have a finding: where its calls are counted."""
HOSPITAL = ("nih", "rsna", "nihbox")
"""Collections of the one hospital that labels and reads come from; ``rsnanormal`` was chosen for being normal."""
MINED = "nihbox"
"""Its reports' labels measure; in the first set few patients are left that the networks never saw."""
_FEWEST = 5


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Films, what is known of them, and what a head says of each."""

    films: Sequence[Example]
    hidden: NDArray[np.bool_]
    """Of patients that the networks did not learn from."""
    mined: Mapping[str, frozenset[str]]
    """Labels of the reports, by file."""
    read: Mapping[str, frozenset[str]]
    """What ChestX-Det's readers saw, by file."""

    def where(self, *sources: str, normal: bool | None = None) -> NDArray[np.bool_]:
        """Return the hidden films of these collections; with ``normal`` those that are known to be, or not to be."""
        return self.hidden & np.asarray(
            [film.source in sources and (normal is None or film.truths.get(NORMAL) is normal) for film in self.films]
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep the figures; return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.heads", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--kept", action="store_true", help="leave out films whose features are not in the file")
    parser.add_argument("--recipe", default="chest-heads")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    recipe = find_recipe(options.recipe)
    if recipe is None:
        raise SystemExit(f"{options.recipe} is no recipe of heads")
    base = load_package(recipe.base)
    films = choose_films(recipe, base, many_sources(options.data))
    if options.kept:
        names = kept_names(options.features)
        films = [film for film in films if film.file in names]
    chosen = seen_films(recipe, base, films, options.features, lambda *_: None)
    head = head_of(base, recipe)
    said = left_out_margins(chosen.copies, chosen.films, head, recipe, _told)
    own = np.stack([_own_margins(base, number, chosen, head) for number in range(len(base.members))])
    reads, mined = chestxdet_reads(options.data), mined_labels(options.data)
    judged = Judged(chosen.films, ~chosen.trunk_learnt, mined, reads)
    count = len(chosen.films)
    of_heads = {"shipped": own.mean(axis=0), "heads": said.mean(axis=0)}
    soft = chosen.copies.film[count:]
    document: dict[str, Any] = {
        "package": package_identity(base),
        "recipe": recipe.model_dump(mode="json"),
        "films": {"all": count, "hidden": int(judged.hidden.sum()), "soft": len(soft)},
        "findings": {
            label: {
                name: finding(label, scores[:count, place], scores[count:, place], soft, judged)
                for name, scores in of_heads.items()
            }
            for place, label in enumerate(head.classes)
        },
        "means": {name: mean_mined(head, scores[:count], judged) for name, scores in of_heads.items()},
        "several": {name: several(scores[:count], head, judged) for name, scores in of_heads.items()},
        "floors": floors(head, of_heads["heads"][:count], judged),
    }
    if options.scores is not None:
        document["opacity"] = opacity(judged, json.loads(options.scores.read_text(encoding="utf-8"))["scores"])
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))
    return 0


def mined_labels(data: Path) -> dict[str, frozenset[str]]:
    """Return the catalogue's labels of NIH's reports, by file; films without a report are not in it."""
    tables = (
        rows(folder / "manifest.csv", ("file", "nih_labels"), "give a data folder with more/ in it", same_length=False)
        for folder in (data, data / "more")
    )
    named = {row["file"]: frozenset(filter(None, row["nih_labels"].split("|"))) for table in tables for _, row in table}
    return {
        file: frozenset(label for label, there in mined_truths(labels).items() if there)
        for file, labels in named.items()
        if labels
    }


def finding(
    label: str,
    scores: NDArray[np.float64],
    soft_scores: NDArray[np.float64],
    soft: NDArray[np.intp],
    judged: Judged,
) -> dict[str, Any]:
    """Return one finding's figures: how it ranks, and what its calls are worth at :data:`SPECIFICITY`."""
    known = _known(label, judged)
    point = float(np.quantile(scores[known & ~_has(label, judged) & judged.where(*HOSPITAL)], SPECIFICITY))
    called = scores >= point
    read = judged.hidden & np.asarray([film.file in judged.read for film in judged.films])
    terms = CHESTXDET_TERMS.get(label)
    seen = np.asarray([bool(terms and judged.read.get(film.file, frozenset()) & terms) for film in judged.films])
    groups = {
        "normals read by radiologists": judged.where("rsna", "rsnanormal", normal=True),
        "bimcv": judged.where("bimcv"),
        "shenzhen tuberculosis": judged.where("shenzhen", normal=False),
        "shenzhen normal": judged.where("shenzhen", normal=True),
        "jsrt normal": judged.where("jsrt", normal=True),
    }
    there = _has(label, judged) & known & judged.where(*HOSPITAL)
    rows = there[soft]
    answer: dict[str, Any] = {
        "sensitivity": _share(called, there),
        "shown_soft": {"calls": int((soft_scores[rows] >= point).sum()), "images": int(rows.sum())},
        "groups": {name: _share(called, where) for name, where in groups.items()},
        "mined": _auroc(scores, _mined(label, judged), judged.where(MINED) & _has_report(judged), judged),
        "boxed": _auroc(scores, _boxed(label, judged), _boxed_or_none(label, judged), judged),
    }
    if terms:
        answer["read"] = _auroc(scores, seen, read, judged)
        answer["right"] = {"calls": int((called & read).sum()), "right": int((called & read & seen).sum())}
    return answer


def mean_mined(head: HeadSettings, scores: NDArray[np.float64], judged: Judged) -> dict[str, Any]:
    """Return the mean AUROC over all classes, by labels mined from reports, on hidden films."""
    rows = np.flatnonzero(judged.where(MINED) & _has_report(judged))
    drawn = Resamples.of([judged.films[row].patient for row in rows], 1).on(np.arange(len(rows)))
    draws = []
    for place, label in enumerate(head.classes):
        one, truth = scores[rows, place], _mined(label, judged)[rows]
        if truth.sum() >= _FEWEST:
            draws.append(drawn.measure(lambda weights, one=one, truth=truth: auroc(one, truth, weights)))
    figure: dict[str, Any] = mean_of(draws).figure().as_json()
    return figure


def several(scores: NDArray[np.float64], head: HeadSettings, judged: Judged) -> dict[str, dict[str, int]]:
    """Return on how many films of other hospitals three or more of a head's findings are called."""
    calls = np.zeros(len(scores), int)
    for place, label in enumerate(head.classes):
        without = _known(label, judged) & ~_has(label, judged) & judged.where(*HOSPITAL)
        calls += scores[:, place] >= np.quantile(scores[without, place], SPECIFICITY)
    groups = {"bimcv": judged.where("bimcv"), "shenzhen tuberculosis": judged.where("shenzhen", normal=False)}
    return {name: _share(calls >= 3, where) for name, where in groups.items()}


def floors(head: HeadSettings, scores: NDArray[np.float64], judged: Judged) -> dict[str, Any]:
    """Return the mean AUROC of what knows nothing of the lungs, on the films of :func:`mean_mined`."""
    rows = np.flatnonzero(judged.where(MINED) & _has_report(judged))
    films = [judged.films[row] for row in rows]
    patients = [film.patient for film in films]
    headers = np.asarray(
        [(film.view.value == "AP", film.age or 50.0, film.sex == "M", film.sex == "F") for film in films]
    )
    borders = np.asarray([border_of(read_picture(film.path)) for film in films])
    order = np.random.default_rng(1).permutation(len(rows))

    def mean(inputs: NDArray[Any]) -> dict[str, Any]:
        answers = np.full(scores.shape, np.nan)
        for place, label in enumerate(head.classes):
            truth = _mined(label, judged)[rows]
            if truth.sum() >= _FEWEST:
                answers[rows, place] = fitted_elsewhere(inputs, truth, patients)
        return mean_mined(head, answers, judged)

    shuffled = np.array(scores)
    shuffled[rows] = scores[rows[order]]
    return {
        "view": mean(headers[:, :1]),
        "header": mean(headers),
        "border": mean(borders),
        "shuffled": mean_mined(head, shuffled, judged),
    }


def opacity(judged: Judged, scores: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return what lower points of the package's own opacity would do: right calls, sick films and normals called."""
    there = np.asarray([film.file in scores for film in judged.films])
    said = np.asarray([scores[film.file][LUNG_OPACITY] if film.file in scores else 0.0 for film in judged.films])
    read = there & judged.where("nih", "rsna", "nihbox")
    read &= np.asarray([LUNG_OPACITY in film.read and NORMAL in film.truths for film in judged.films])
    truth = np.asarray([bool(film.truths.get(LUNG_OPACITY)) for film in judged.films])
    groups = {
        "bimcv": judged.where("bimcv"),
        "shenzhen tuberculosis": judged.where("shenzhen", normal=False),
        "shenzhen normal": judged.where("shenzhen", normal=True),
        "jsrt normal": judged.where("jsrt", normal=True),
        "normals read by radiologists": judged.where("rsna", "rsnanormal", normal=True),
    }
    table = []
    for specificity in (0.95, 0.9, 0.85, 0.8, 0.75):
        point = float(np.quantile(said[read & ~truth], specificity))
        called = said >= point
        table.append(
            {
                "specificity": specificity,
                "point": round(point, 4),
                "right": {"calls": int((called & read).sum()), "right": int((called & read & truth).sum())},
                "sensitivity": _share(called, read & truth),
                "groups": {name: _share(called, where & there) for name, where in groups.items()},
            }
        )
    return table


def _own_margins(base: AnyPackage, number: int, chosen: Films, head: HeadSettings) -> NDArray[np.float64]:
    """Return what a network's own head says, (rows, classes)."""
    network = keras.saving.load_model(base.members[number].path(KERAS_MODEL), compile=False)
    kernel, bias = network.get_layer(f"head_{head.name}").get_weights()
    names = base.members[number].manifest.head(head.name).names
    columns = [names.index(name) for name in head.classes]
    layer = Layer(kernel[:, columns], bias[columns])
    return np.stack([margins(layer, chosen.copies.features[number], head, name) for name in head.classes], axis=1)


def _known(label: str, judged: Judged) -> NDArray[np.bool_]:
    return np.asarray([label in film.truths for film in judged.films])


def _has(label: str, judged: Judged) -> NDArray[np.bool_]:
    return np.asarray([bool(film.truths.get(label)) for film in judged.films])


def _mined(label: str, judged: Judged) -> NDArray[np.bool_]:
    return np.asarray([label in judged.mined.get(film.file, frozenset()) for film in judged.films])


def _has_report(judged: Judged) -> NDArray[np.bool_]:
    return np.asarray([film.file in judged.mined for film in judged.films])


def _boxed(label: str, judged: Judged) -> NDArray[np.bool_]:
    return np.asarray(
        [any(box.label == label and box.source == BOXES_OF_RADIOLOGISTS for box in film.boxes) for film in judged.films]
    )


def _boxed_or_none(label: str, judged: Judged) -> NDArray[np.bool_]:
    none = np.asarray([judged.mined.get(film.file) == {NO_FINDING} for film in judged.films])
    return (_boxed(label, judged) & judged.where("nih", "rsna", MINED)) | (none & judged.where(MINED))


def _auroc(
    scores: NDArray[np.float64], truth: NDArray[np.bool_], where: NDArray[np.bool_], judged: Judged
) -> dict[str, Any] | None:
    rows = np.flatnonzero(where)
    if min(truth[rows].sum(), (~truth[rows]).sum()) < _FEWEST:
        return None
    drawn = Resamples.of([judged.films[row].patient for row in rows], 1).on(np.arange(len(rows)))
    figure: dict[str, Any] = drawn.measure(lambda weights: auroc(scores[rows], truth[rows], weights)).figure().as_json()
    return {**figure, "films": len(rows), "positives": int(truth[rows].sum())}


def _share(called: NDArray[np.bool_], where: NDArray[np.bool_]) -> dict[str, int]:
    return {"calls": int((called & where).sum()), "images": int(where.sum())}


def _told(what: str, done: int, of: int) -> None:
    print(f"{what}: {done} of {of}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())

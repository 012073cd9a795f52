"""How well score maps point at what radiologists drew, and what a map costs: heat, gradient and occlusion.

    python -m benchmarks.maps --data DATA --outside DATA/more

For each finding of which there are boxes, on images of patients that the package did not learn from: how often the
greatest cell lies in a true box, beside the best constant point of the same images; 95 % intervals by patient.
*Heat* is the detector's own map, which costs nothing. *Gradient* is each place's share in the logit, gradient times
feature over all levels that the heads see, which is exact for these networks, whose heads are linear in pooled
features (Zhou et al. 2016, Selvaraju et al. 2017). *Occlusion* greys one window after the other and asks again (Zeiler
and Fergus 2014), on fewer images, for it takes a pass of all networks for each window.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.explanation.score_map import over_image
from inference.interpret import heat_map_of
from inference.model import Model, ModelInput
from inference.package import KERAS_MODEL, ModelPackage
from training.data.examples import Example, TruthBox
from training.data.films import boxes, films
from training.data.pictures import read_picture
from training.explanation.pointing import Point, Pointing, cells_of, measure, peak
from training.likeness.parts import record_of, was_learnt

RESULTS = Path(__file__).parent / "results" / "maps.json"
WINDOWS, REACH = 7, 0.2
"""Windows along each side, and the side of a window in fractions of the input."""
CELLS = 24
LEVELS = ("pool_trunk", "pool_middle", "pool_top", "pool_neck")
"""The layers whose averages the heads see; ``peak_neck`` after them is a maximum."""


class Gradient:
    """Each place's share in the logits of one network."""

    def __init__(self, package: ModelPackage) -> None:
        import keras

        self.manifest = package.manifest
        network = keras.saving.load_model(package.path(KERAS_MODEL), compile=False)
        self._features = keras.Model(network.inputs, [network.get_layer(name).input for name in (*LEVELS, "peak_neck")])
        self._heads = {head.name: network.get_layer(f"head_{head.name}").kernel.numpy() for head in self.manifest.heads}

    def maps(self, entry: ModelInput) -> dict[str, NDArray[np.float64]]:
        """Return the grid of each finding, by label."""
        levels = [np.asarray(level)[0] for level in self._features(entry.batch, training=False)]
        return {finding.label: self._grid(finding.head, finding.class_, levels) for finding in self.manifest.findings}

    def _grid(self, head: str, name: str, levels: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        spec, kernel = self.manifest.head(head), self._heads[head]
        index = spec.names.index(name)
        weights = kernel[:, index]
        if spec.activation == "softmax":
            weights = weights - np.delete(kernel, index, axis=1).mean(axis=1)
        grid, start = np.zeros((CELLS, CELLS)), 0
        for number, level in enumerate(levels):
            height, width, channels = level.shape
            part = weights[start : start + channels]
            start += channels
            if number < len(LEVELS):
                share = level @ part * (CELLS * CELLS / (height * width))
            else:
                share = np.zeros((height, width))
                flat = level.reshape(-1, channels)
                np.add.at(share.ravel(), flat.argmax(axis=0), flat.max(axis=0) * part * CELLS * CELLS)
            grid += np.asarray(Image.fromarray(share.astype(np.float32)).resize((CELLS, CELLS), Image.Resampling.BOX))
        return np.asarray(Image.fromarray(grid.astype(np.float32)).resize((CELLS, CELLS)))


def occlusion(model: Model, inputs: Sequence[ModelInput]) -> dict[str, NDArray[np.float64]]:
    """Return by label how much the log-odds fall when a window is greyed, (WINDOWS, WINDOWS) over the input."""
    whole = _log_odds(model, inputs)
    grids = {label: np.zeros((WINDOWS, WINDOWS)) for label in whole}
    for row in range(WINDOWS):
        for column in range(WINDOWS):
            hidden = [ModelInput(_greyed(entry.batch, row, column), entry.placement) for entry in inputs]
            for label, value in _log_odds(model, hidden).items():
                grids[label][row, column] = whole[label] - value
    return grids


def _greyed(batch: NDArray[np.float32], row: int, column: int) -> NDArray[np.float32]:
    copy = batch.copy()
    rows, columns = copy.shape[1:3]
    down, across = (row + 0.5) / WINDOWS, (column + 0.5) / WINDOWS
    top, bottom = int(max(down - REACH / 2, 0) * rows), int(min(down + REACH / 2, 1) * rows)
    left, right = int(max(across - REACH / 2, 0) * columns), int(min(across + REACH / 2, 1) * columns)
    copy[:, top:bottom, left:right] = copy.mean()
    return copy


def _log_odds(model: Model, inputs: Sequence[ModelInput]) -> dict[str, float]:
    scores = model.scores(model.forward(inputs))
    return {label: float(np.log(max(score, 1e-9) / max(1 - score, 1e-9))) for label, score in scores.items()}


def boxed(package: Any, roots: Sequence[Path]) -> list[Example]:
    """Return the films with boxes whose patients were not learnt from, with the boxes of all folders."""
    record = record_of(package)
    drawn: dict[str, tuple[TruthBox, ...]] = {}
    for root in roots:
        for file, some in boxes(root).items():
            drawn[file] = (*drawn.get(file, ()), *some)
    return [
        Example(film.file, film.path, film.patient, film.source, boxes=drawn[film.file])
        for root in roots
        for film in films(root)
        if film.file in drawn and film.is_frontal_adult and not was_learnt(record, film)
    ]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="benchmarks.maps", description=str(__doc__).splitlines()[0])
    parser.add_argument("--package", default="chest-default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--outside", type=Path, action="append", default=[])
    parser.add_argument("--occluded", type=int, default=25, help="films of a finding that are occluded")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    model = Model.open(given.package)
    manifest = model.package.manifest
    labels = [finding.label for finding in manifest.findings]
    gradients = [Gradient(member) for member in model.package.members]
    found: dict[str, dict[str, list[tuple[Point, list[TruthBox], str]]]] = defaultdict(lambda: defaultdict(list))
    occluded: Counter[str] = Counter()
    seconds: dict[str, list[float]] = defaultdict(list)
    chosen = boxed(model.package, (given.data, *given.outside))
    for count, film in enumerate(sorted(chosen, key=lambda film: film.patient[::-1]), 1):
        inputs = model.inputs(read_picture(film.path))
        answers = model.forward(inputs)
        shown = [label for label in labels if any(box.label == label for box in film.boxes)]
        maps: dict[str, dict[str, NDArray[np.float64]]] = {"heat": {}, "gradient": {}, "occlusion": {}}
        start = time.perf_counter()
        for label in labels:
            heat = heat_map_of(model.package, answers, label)
            if heat is not None:
                maps["heat"][label] = cells_of(heat)
        seconds["heat"].append(time.perf_counter() - start)
        start = time.perf_counter()
        grids = [gradient.maps(entry) for gradient, entry in zip(gradients, inputs, strict=True)]
        maps["gradient"] = {
            label: over_image([(grid[label], entry.placement) for grid, entry in zip(grids, inputs, strict=True)])
            for label in labels
        }
        seconds["gradient"].append(time.perf_counter() - start)
        if any(occluded[label] < given.occluded for label in shown):
            start = time.perf_counter()
            placement = inputs[0].placement
            maps["occlusion"] = {
                label: over_image([(grid, placement)]) for label, grid in occlusion(model, inputs).items()
            }
            seconds["occlusion"].append(time.perf_counter() - start)
            occluded.update(shown)
        for method, of_labels in maps.items():
            for label in shown:
                if label in of_labels:
                    true = [box for box in film.boxes if box.label == label]
                    found[label][method].append((peak(of_labels[label]), true, film.patient))
        if count % 50 == 0:
            print(f"{count} of {len(chosen)} films", flush=True)
    result = {
        "package": f"{manifest.name} {manifest.version}",
        "findings": {
            label: {method: _json(_measured(entries)) for method, entries in found[label].items()}
            for label in labels
            if label in found
        },
        "milliseconds": {method: round(1e3 * float(np.median(some)), 2) for method, some in seconds.items()},
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def _measured(entries: Sequence[tuple[Point, list[TruthBox], str]]) -> Pointing:
    points, true, patients = zip(*entries, strict=True)
    return measure(points, true, patients)


def _json(pointing: Pointing) -> dict[str, Any]:
    return {
        "images": pointing.images,
        "patients": pointing.patients,
        "pointing": pointing.pointing.as_json(),
        "constant": pointing.constant.as_json(),
        "margin": pointing.margin.as_json(),
        "beats": pointing.beats,
    }


if __name__ == "__main__":
    main()

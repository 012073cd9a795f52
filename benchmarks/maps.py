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
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image

from inference.explanation.score_map import over_image
from inference.interpret import heat_map_of
from inference.model import Model, ModelInput
from inference.package import KERAS_MODEL, ModelPackage
from training.data.examples import Example, TruthBox
from training.data.films import boxes, films
from training.data.image_files import read_picture
from training.evaluation.package_identity import package_identity
from training.evaluation.pointing_game import Point, Pointing, cells_of, measure, peak
from training.evaluation.record import record_of
from training.packaging.export import litert_bytes

RESULTS = Path(__file__).parent / "results" / "maps.json"
WINDOWS, REACH = 6, 0.25
"""Windows along each side, and the side of a window in fractions of the input."""
CELLS = 24
LEVELS = ("pool_trunk", "pool_middle", "pool_top", "pool_neck")
"""The layers whose averages the heads see; ``peak_neck`` after them is a maximum."""


Entry = tuple[Point, list[TruthBox], str]
"""Where a map points, the true boxes, and the patient."""


class Gradient:
    """Each place's share in the logits of one network, through LiteRT as in service."""

    def __init__(self, package: ModelPackage, folder: Path) -> None:
        import keras

        self.manifest = package.manifest
        network = keras.saving.load_model(package.path(KERAS_MODEL), compile=False)
        seen = keras.Model(network.inputs, [network.get_layer(name).input for name in (*LEVELS, "peak_neck")])
        path = folder / f"{package.manifest.name}.tflite"
        path.write_bytes(litert_bytes(seen))
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._run = self._interpreter.get_signature_runner()
        self._heads = {head.name: network.get_layer(f"head_{head.name}").kernel.numpy() for head in self.manifest.heads}

    def maps(self, entry: ModelInput) -> dict[str, NDArray[np.float64]]:
        """Return the grid of each finding, by label."""
        outputs = self._run(picture=entry.batch)
        levels = [outputs[f"output_{number}"][0] for number in range(len(LEVELS) + 1)]
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
            of_level = weights[start : start + channels]
            start += channels
            if number < len(LEVELS):
                share = level @ of_level * (CELLS * CELLS / (height * width))
            else:
                share = np.zeros((height, width))
                flat = level.reshape(-1, channels)
                np.add.at(share.ravel(), flat.argmax(axis=0), flat.max(axis=0) * of_level * CELLS * CELLS)
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
    boxes_by_file: dict[str, tuple[TruthBox, ...]] = {}
    for root in roots:
        for file, of_folder in boxes(root).items():
            boxes_by_file[file] = (*boxes_by_file.get(file, ()), *of_folder)
    return [
        Example(film.file, film.path, film.patient, film.source, boxes=boxes_by_file[film.file])
        for root in roots
        for film in films(root)
        if film.file in boxes_by_file and film.is_frontal_adult and not record.learnt(film)
    ]


class Game:
    """The pointing game of one package: what each way to make maps pointed at, by finding."""

    def __init__(self, model: Model, out: Path) -> None:
        self.model, self.out = model, out
        self.labels = [finding.label for finding in model.package.manifest.findings]
        self.found: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def play(self, method: str, film: Example, maps: dict[str, NDArray[np.float64]], seconds: float) -> None:
        """Note where the maps of one film point, for the findings that it has boxes of."""
        self.seconds[method].append(seconds)
        for label in _boxed_labels(film):
            if label in maps:
                true = [box for box in film.boxes if box.label == label]
                self.found[label][method].append((peak(maps[label]), true, film.patient))

    def keep(self, progress: str) -> dict[str, Any]:
        """Write and return all figures so far."""
        result = {
            "package": package_identity(self.model.package),
            "films": progress,
            "findings": {
                label: {method: _json(_measured(entries)) for method, entries in self.found[label].items()}
                for label in self.labels
                if label in self.found
            },
            "milliseconds": {name: round(1e3 * float(np.median(times)), 2) for name, times in self.seconds.items()},
        }
        self.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(progress, flush=True)
        return result


def cheap(game: Game, film: Example, gradients: Sequence[Gradient]) -> None:
    """Play with heat and gradient."""
    inputs = game.model.inputs(read_picture(film.path))
    answers = game.model.forward(inputs)
    start = time.perf_counter()
    heats = {label: heat_map_of(game.model.package, answers, label) for label in game.labels}
    between = time.perf_counter()
    game.play("heat", film, {label: cells_of(heat) for label, heat in heats.items() if heat}, between - start)
    grids = [gradient.maps(entry) for gradient, entry in zip(gradients, inputs, strict=True)]
    maps = {
        label: over_image([(grid[label], entry.placement) for grid, entry in zip(grids, inputs, strict=True)])
        for label in game.labels
    }
    game.play("gradient", film, maps, time.perf_counter() - between)


def dear(game: Game, film: Example) -> None:
    """Play with occlusion."""
    inputs = game.model.inputs(read_picture(film.path))
    start = time.perf_counter()
    grids = occlusion(game.model, inputs)
    maps = {label: over_image([(grid, inputs[0].placement)]) for label, grid in grids.items()}
    game.play("occlusion", film, maps, time.perf_counter() - start)


def few(films_: Sequence[Example], most: int) -> list[Example]:
    """Return films such that each finding is boxed on about ``most`` of them, or on all there are."""
    counts: Counter[str] = Counter()
    chosen = []
    for film in films_:
        if any(counts[label] < most for label in _boxed_labels(film)):
            chosen.append(film)
            counts.update(_boxed_labels(film))
    return chosen


def main() -> None:
    """Measure, print and keep; figures so far are kept on the way."""
    parser = argparse.ArgumentParser(prog="benchmarks.maps", description=str(__doc__).splitlines()[0])
    parser.add_argument("--package", default="chest-default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--outside", type=Path, action="append", default=[])
    parser.add_argument("--occluded", type=int, default=8, help="films of a finding that are occluded")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    game = Game(Model.open(options.package), options.out)
    chosen = boxed(game.model.package, (options.data, *options.outside))
    shuffled = [chosen[index] for index in np.random.default_rng(3).permutation(len(chosen))]
    with tempfile.TemporaryDirectory() as scratch:
        gradients = [Gradient(member, Path(scratch)) for member in game.model.package.members]
    for count, film in enumerate(shuffled, 1):
        cheap(game, film, gradients)
        if count % 50 == 0:
            game.keep(f"{count} of {len(shuffled)}")
    occluded = few(shuffled, options.occluded)
    for count, film in enumerate(occluded, 1):
        dear(game, film)
        if count % 20 == 0:
            game.keep(f"{len(shuffled)}, and {count} of {len(occluded)} occluded")
    print(json.dumps(game.keep(f"{len(shuffled)}, of which {len(occluded)} occluded"), indent=1))


def _boxed_labels(film: Example) -> list[str]:
    return sorted({box.label for box in film.boxes})


def _measured(entries: Sequence[Entry]) -> Pointing:
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

"""Our centre-point detector against keras-hub's RetinaNet: same pictures, same backbone, same time.

Both learn lung opacities from the pictures that radiologists read in the training folds of the recipe
``opacity-detector``, in the same number of minutes, and are measured on its validation fold; the test fold is not
looked at. Both start from the same ImageNet weights under the same frozen trunk, get the same altered copies, batches,
optimizers and moving average. They take turns, so that whatever else the machine does slows both alike. RetinaNet is
given each of several learning rates for its new layers, and the best of them counts, chosen on the very fold that is
reported: what doubt there is is in its favour.

keras-hub is no dependency of this project. In an environment of its own, from the repository's root:

    python3 -m venv ENV && ENV/bin/pip install -e '.[train]' keras-hub
    ENV/bin/python -m benchmarks.detectors --data DATA [--minutes 6] [--quick]
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.detector_contenders import CentrePoint, Contender, RetinaNet
from inference.pixels import to_model_input
from training.data.examples import Example
from training.data.image_files import read_picture
from training.data.selection import select_examples
from training.evaluation.boxes import Boxes as PairedBoxes
from training.evaluation.resample import Draws, Resamples
from training.fit.features import Features, compute
from training.networks.backbone import layer_names, load_imagenet_weights
from training.packaging import export
from training.recipe.recipe import Recipe
from training.recipe.shipped_recipes import load_recipe

RESULTS = Path(__file__).parent / "results" / "detectors.json"
LARGEST_MB, LONGEST_MS = 25.0, 40.0
"""What a package of this project may be at most: its files together, and a forward pass on two processors."""
LIGHTEST = {"levels": (4, 6), "convolutions": 1}
"""Opacities are large, so the smallest anchors can go; keras-hub has no less than 256 channels."""
OTHERS: tuple[dict[str, Any], ...] = ({"levels": (4, 6), "convolutions": 2}, {"levels": (3, 7), "convolutions": 4})
"""Only their size and speed are measured; the last is as keras-hub makes it by default."""
RATES = (1e-3, 3e-4)
"""Of RetinaNet's new layers; ours has its recipe's."""
TURN_SECONDS = 20.0
THREADS = 2


class Fit:
    """One contender that learns for a given time: rates climb for a tenth of it, then fall as a cosine."""

    def __init__(self, contender: Contender, recipe: Recipe, *, rate: float, seconds: float) -> None:
        import tensorflow as tf

        self.contender, self.rate, self.seconds = contender, rate, seconds
        self.spent = self.processor = 0.0
        self.pictures = self.steps = 0
        settings = recipe.fit
        upper = {f"{name}/{kind}" for name in layer_names() for kind in ("kernel", "bias")}
        variables = contender.rest.trainable_variables
        groups = [
            ([one for one in variables if one.path not in upper], rate),
            ([one for one in variables if one.path in upper], settings.learning_rate),
        ]
        self._optimizers = []
        for group, highest in groups:
            optimizer = keras.optimizers.AdamW(0.0, weight_decay=settings.weight_decay, clipnorm=10.0)
            optimizer.exclude_from_weight_decay(var_names=["bias"])
            optimizer.build(group)
            self._optimizers.append((optimizer, group, highest))
        self._variables = [one for _, group, _ in self._optimizers for one in group]
        self._averages = [tf.Variable(one.value) for one in self._variables]
        self._momentum = settings.average

        def step(maps: Any, targets: Any, momentum: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = contender.loss(targets, contender.rest(maps, training=True))
            gradients = iter(tape.gradient(loss, self._variables))
            for optimizer, group, _ in self._optimizers:
                optimizer.apply([next(gradients) for _ in group])
            for average, variable in zip(self._averages, self._variables, strict=True):
                average.assign(average * momentum + variable.value * (1 - momentum))
            return loss

        self._step = tf.function(step, reduce_retracing=True)
        self._tensor = tf.constant

    @property
    def done(self) -> bool:
        """Whether its time is spent."""
        return self.spent >= self.seconds

    def learn(self, batches: "Batches", *, count: bool = True) -> float:
        """Take one step and return its loss; without ``count`` at a rate of nothing, to have all compiled."""
        start, processor = time.perf_counter(), time.process_time()
        share = min(1.0, self.spent / self.seconds)
        now = min(share / 0.1, 0.5 * (1 + np.cos(np.pi * max(0.0, share - 0.1) / 0.9))) if count else 0.0
        for optimizer, _, highest in self._optimizers:
            optimizer.learning_rate = highest * max(0.01, now) if count else 0.0
        maps, members, drawn = batches.take(self.steps)
        targets = [self._tensor(target) for target in self.contender.targets(members, drawn)]
        momentum = min(self._momentum, (1 + self.steps) / (10 + self.steps))
        loss = float(self._step(self._tensor(maps), targets, self._tensor(momentum, "float32")))
        if count:
            self.spent += time.perf_counter() - start
            self.processor += time.process_time() - processor
            self.pictures += len(members)
            self.steps += 1
        return loss

    def pace(self) -> dict[str, float]:
        """Return what a training picture costs."""
        return {
            "seconds_a_training_picture": round(self.spent / self.pictures, 4),
            "processor_seconds_a_training_picture": round(self.processor / self.pictures, 4),
        }

    def take_average(self) -> None:
        """Give the network the moving average of its weights, rounded as a package has them."""
        for average, variable in zip(self._averages, self._variables, strict=True):
            variable.assign(average)
        export.round_to_half(self.contender.network)


class Batches:
    """Trunk maps with boxes, in the same order for everybody; each epoch takes each picture's next copy."""

    def __init__(self, features: Features, size: int, seed: int) -> None:
        self._features, self._size, self._seed = features, size, seed
        self.pictures = len(features.maps)

    def take(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.intp], list[Any]]:
        """Return maps, which pictures they are, and their boxes."""
        count, variants = self.pictures, self._features.variants
        epoch, place = divmod(step, count // self._size)
        order = np.random.default_rng((self._seed, epoch)).permutation(count)
        members = order[place * self._size : (place + 1) * self._size]
        turns = [(epoch + int(member)) % variants for member in members]
        boxes = [self._features.boxes[member][turn] for member, turn in zip(members, turns, strict=True)]
        return self._features.batch(members, turns), members, boxes


def main() -> None:
    """Run the contest; print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder, in the manifest's layout")
    parser.add_argument("--minutes", type=float, default=6.0, help="for each to learn")
    parser.add_argument("--most-load", type=float, default=0.0, help="wait for a load below this before the start")
    parser.add_argument("--cache", type=Path, default=Path(".cache") / "detectors")
    parser.add_argument("--quick", action="store_true", help="few pictures, seconds; nothing written")
    options = parser.parse_args()
    recipe = load_recipe("opacity-detector")
    split = select_examples(recipe, options.data).split
    few = slice(48) if options.quick else slice(None)
    training, validation = split.training[few], split.validation[few]
    weights = load_imagenet_weights(options.data / recipe.network.weights, options.cache)
    keras.utils.set_random_seed(recipe.seed)
    ours = CentrePoint(recipe, weights, training)
    retinas = [RetinaNet(recipe, weights, **LIGHTEST) for _ in RATES]  # type: ignore[arg-type]
    others = [RetinaNet(recipe, weights, **settings) for settings in OTHERS]
    require_same(retinas[0], recipe)
    maps = compute(
        ours.trunk, recipe, training, altered=True, cache=options.cache, progress=lambda *_: None, what="pictures"
    )
    seconds = 15.0 if options.quick else options.minutes * 60
    batches = Batches(maps, recipe.fit.batch, recipe.seed)
    fits = [Fit(ours, recipe, rate=recipe.fit.head_learning_rate, seconds=seconds)]
    fits += [Fit(one, recipe, rate=rate, seconds=seconds) for one, rate in zip(retinas, RATES, strict=True)]
    while options.most_load and os.getloadavg()[0] >= options.most_load:
        time.sleep(10)
    before = os.getloadavg()
    contest(fits, batches)
    report = {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version(), "keras": keras.__version__,
                    "keras_hub": _version("keras-hub"), "load_before": before, "load_after": os.getloadavg()},
        "pictures": {"training": len(training), "validation": len(validation),
                     "validation_boxes": sum(len(one.boxes) for one in validation)},
        "seconds_each": seconds, "batch": recipe.fit.batch, "side": recipe.network.side,
        "limits": {"package_mb": LARGEST_MB, "forward_ms": LONGEST_MS},
        **results(fits, others, recipe, validation, batches),
    }  # fmt: skip
    show(report)
    if not options.quick:
        RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def require_same(contender: Contender, recipe: Recipe) -> None:
    """Check that a contender's two parts, one after the other, are its network."""
    side = recipe.network.side
    picture = np.random.default_rng(0).random((1, side, side, 1), np.float32)
    parts = contender.rest(contender.trunk(picture))
    for whole, part in zip(contender.network(picture), parts, strict=True):
        if float(np.abs(np.asarray(whole) - np.asarray(part)).max()) > 1e-3:
            raise SystemExit(f"{contender.name}: trunk and rest are not the network")


def contest(fits: Sequence[Fit], batches: Batches) -> None:
    """Let everybody learn in turns until all have spent their time."""
    for fit in fits:
        fit.learn(batches, count=False)
    while not all(fit.done for fit in fits):
        for fit in fits:
            until = min(fit.seconds, fit.spent + TURN_SECONDS)
            while fit.spent < until:
                loss = fit.learn(batches)
            shown = f"{fit.contender.name}, rate {fit.rate:g}: {fit.spent:.0f} s, {fit.steps} steps, loss {loss:.3f}"
            Console(stderr=True).print(shown)


def results(
    fits: Sequence[Fit], others: Sequence[Contender], recipe: Recipe, validation: Sequence[Example], batches: Batches
) -> dict[str, Any]:
    """Measure all: boxes on validation pictures, files, forward times."""
    draws = Resamples.of([example.patient for example in validation], seed=1).on(np.arange(len(validation)))
    precisions: list[Draws] = []
    rows = []
    for fit in fits:
        fit.take_average()
        paired = matched(fit.contender, recipe, validation)
        precisions.append(draws.measure(partial(paired.average_precision, 0.5)))
    for fit, ap50 in zip(fits, precisions, strict=True):
        row: dict[str, Any] = {
            "name": fit.contender.name,
            "rate": fit.rate,
            "ap50": ap50.figure().as_json(),
            "steps": fit.steps,
            "epochs": round(fit.pictures / batches.pictures, 2),
            **fit.pace(),
        }
        rows.append(row)
    best = max(range(1, len(fits)), key=lambda index: rows[index]["ap50"]["value"])

    kept = [rows[0], rows[best], *(timed(other, recipe, batches) for other in others)]
    contenders = [fits[0].contender, fits[best].contender, *others]
    files = [file_sizes(one) for one in contenders]
    times = forward_times([file["litert"] for file in files], recipe.network.side)
    for row, one, file, milliseconds in zip(kept, contenders, files, times, strict=True):
        row["parameters"] = one.network.count_params()
        row["package_mb"] = round((len(file["litert"]) + len(file["keras"])) / 1e6, 1)
        row["litert_mb"] = round(len(file["litert"]) / 1e6, 1)
        row["forward_ms"] = milliseconds
    return {"contenders": kept, "other_rates": [row for row in rows[1:] if row is not rows[best]],
            "ap50_ours_less_retinanet": precisions[0].less(precisions[best]).figure().as_json()}  # fmt: skip


def timed(contender: Contender, recipe: Recipe, batches: Batches) -> dict[str, Any]:
    """Return how long a contender that does not take part needs to learn from a picture."""
    fit = Fit(contender, recipe, rate=RATES[-1], seconds=1e9)
    fit.learn(batches, count=False)
    for _ in range(2):
        fit.learn(batches)
    return {"name": contender.name, **fit.pace()}


def matched(contender: Contender, recipe: Recipe, examples: Sequence[Example]) -> PairedBoxes:
    """Hold the boxes of every picture against those that were drawn."""
    side = recipe.network.side
    found, true = [], []
    for example in examples:
        picture = read_picture(example.path)
        canvas, placement = to_model_input(picture, side, side, recipe.network.contrast)
        outputs = [np.asarray(part) for part in contender.network.predict_on_batch(canvas[None])]
        found.append(contender.boxes(outputs, placement))
        true.append(_drawn(example, placement.picture_columns, placement.picture_rows))
    return PairedBoxes.of(found, true)


def _drawn(example: Example, wide: int, tall: int) -> NDArray[np.float64]:
    drawn = [
        (box.x * wide, box.y * tall, (box.x + box.w) * wide, (box.y + box.h) * tall)
        for box in example.boxes
        if box.label == "lung_opacity"
    ]
    return np.asarray(drawn, np.float64).reshape(-1, 4)


def file_sizes(contender: Contender) -> dict[str, bytes]:
    """Return both files as a package would have them."""
    export.round_to_half(contender.network)
    return {"litert": export.litert_bytes(contender.network), "keras": export.keras_bytes(contender.network)}


def forward_times(models: Sequence[bytes], side: int, rounds: int = 40) -> list[dict[str, float]]:
    """Return milliseconds of a forward pass with LiteRT on two threads; all models in turn, round by round."""
    from ai_edge_litert.interpreter import Interpreter

    picture = np.random.default_rng(0).random((1, side, side, 1), np.float32)
    calls: list[Callable[[], None]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, content in enumerate(models):
            path = Path(scratch) / f"{number}.tflite"
            path.write_bytes(content)
            interpreter = Interpreter(str(path), num_threads=THREADS)
            interpreter.allocate_tensors()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
            interpreter.invoke()
            calls.append(interpreter.invoke)
        taken: list[list[float]] = [[] for _ in calls]
        for _ in range(rounds):
            for call, times in zip(calls, taken, strict=True):
                start = time.perf_counter()
                call()
                times.append(1000 * (time.perf_counter() - start))
    return [{"median": round(statistics.median(times), 1), "fastest": round(min(times), 1)} for times in taken]


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    title = f"{report['seconds_each'] / 60:g} minutes each, {report['pictures']['training']} pictures"
    table = Table("", "AP at 0.5", "parameters", "package MB", "forward ms", "s a picture", title=title)
    for row in report["contenders"]:
        ap = row.get("ap50")
        table.add_row(
            row["name"], "–" if ap is None else f"{ap['value']:.3f} {ap['interval']}", f"{row['parameters']:,}",
            f"{row['package_mb']}", f"{row['forward_ms']['median']} ({row['forward_ms']['fastest']})",
            f"{row['seconds_a_training_picture']}",
        )  # fmt: skip
    Console().print(table)
    Console().print("ours less RetinaNet, AP at 0.5:", report["ap50_ours_less_retinanet"])


if __name__ == "__main__":
    main()

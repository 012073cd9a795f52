"""Whole networks learn from pictures, obey masks and settings, answer alike in training and service, and go on."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from config.errors import DataError
from training.data.examples import Example, Split
from training.fit.checkpoint import Checkpoint
from training.fit.end_to_end import build, fit_end_to_end, model_input
from training.fit.result import silent
from training.recipe.recipe import Recipe

ROOT = Path(__file__).parents[3]
STILL = {
    "rotation_degrees": 0, "shift": 0, "zoom": 0, "gamma": 0, "contrast": 0, "brightness": 0, "bars": 0,
}  # fmt: skip


def _recipe(kind: str = "cnn", **fit: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "seed": 3,
            "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
            "network": {"kind": kind, "side": 64, "width": 8, "dropout": 0.0},
            "heads": [{"name": "reads", "activation": "softmax", "classes": ["normal", "pneumonia"]}],
            "findings": [{"label": "pneumonia", "head": "reads"}],
            "augment": STILL,
            "fit": {
                "batch": 8, "epochs": 3, "optimizer": "adam", "schedule": "constant", "learning_rate": 3e-3,
                "average": 0.0, **fit,
            },
        }
    )  # fmt: skip


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    return _examples(tmp_path)


def _examples(folder: Path, count: int = 24) -> list[Example]:
    """Draw pictures, every other one with a bright blob; the same every time."""
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[0:64, 0:64] / 64
    made = []
    for number in range(count):
        grey = 0.4 + 0.05 * rng.standard_normal((64, 64))
        if number % 2:
            grey += 0.5 * np.exp(-(((xs - 0.3) / 0.1) ** 2) - ((ys - rng.uniform(0.3, 0.7)) / 0.1) ** 2)
        path = folder / f"{number:03d}.png"
        Image.fromarray((grey.clip(0, 1) * 255).astype(np.uint8)).save(path)
        truths = {"normal": number % 2 == 0, "pneumonia": number % 2 == 1}
        made.append(Example(file=path.name, path=path, patient=str(number), truths=truths))
    return made


def _fit(recipe: Recipe, examples: Sequence[Example], work: Path, **options: Any) -> Any:
    half = len(examples) * 2 // 3
    split = Split(tuple(examples[:half]), tuple(examples[half:]), ())
    return fit_end_to_end(recipe, split, weights=None, work=work, progress=silent, **options)


def _inputs(recipe: Recipe, examples: Sequence[Example]) -> np.ndarray[Any, Any]:
    return np.stack([model_input(recipe, example) for example in examples])


def test_what_is_fitted_answers_alike_in_training_and_in_service(examples: list[Example], tmp_path: Path) -> None:
    # Batch normalisation whose running averages have nothing to do with its batches would go unnoticed in the loss.
    recipe = _recipe("darkcovidnet", epochs=20)
    learnt = _fit(recipe, examples, tmp_path / "work")
    pictures = _inputs(recipe, examples)
    serving = np.asarray(learnt.network(pictures, training=False))
    training = np.asarray(learnt.network(pictures, training=True))
    assert np.corrcoef(serving.ravel(), training.ravel())[0, 1] > 0.95
    assert np.array_equal(serving.argmax(axis=1), [number % 2 for number in range(len(examples))])
    assert learnt.losses[-1]["accuracy"] == 1.0
    assert learnt.losses[-1]["val_accuracy"] == 1.0
    assert learnt.losses[-1]["loss"] < learnt.losses[0]["loss"]
    assert len(learnt.losses) == 20


def test_a_seed_repeats_a_run_and_another_one_does_not(examples: list[Example], tmp_path: Path) -> None:
    recipe = _recipe("cnn-dropout")
    first, again = (_fit(recipe, examples, tmp_path / name) for name in ("a", "b"))
    other = _fit(recipe.model_copy(update={"seed": 4}), examples, tmp_path / "c")
    assert np.allclose(first.network.get_weights()[0], again.network.get_weights()[0], atol=1e-5)
    assert not np.allclose(first.network.get_weights()[0], other.network.get_weights()[0], atol=1e-3)


def test_a_run_leaves_logs_for_tensorboard_and_says_each_step(examples: list[Example], tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    split = Split(tuple(examples), (), ())
    fit_end_to_end(
        _recipe(epochs=1, last_epochs=1), split, weights=None, work=tmp_path / "work",
        progress=lambda *what: said.append(what),
    )  # fmt: skip
    assert ("training pictures", 24, 24) in said
    assert [step for step in said if step[0] == "training steps"] == [
        ("training steps", done, 6) for done in range(1, 7)
    ]
    assert list((tmp_path / "work" / "tensorboard" / "tiny" / "train").glob("events*"))


def test_examples_about_which_no_head_knows_anything_are_left_out(examples: list[Example], tmp_path: Path) -> None:
    unknown = [Example(file="x", path=tmp_path / "not-there.png", patient="x", truths={"mass": True})]
    assert len(_fit(_recipe(epochs=1), [*unknown, *examples], tmp_path / "work").losses) == 1
    with pytest.raises(DataError, match="no training picture is known to be any of normal, pneumonia"):
        _fit(_recipe(), unknown * 3, tmp_path / "work")


def test_a_moving_average_is_what_remains_where_the_recipe_asks_for_one(
    examples: list[Example], tmp_path: Path
) -> None:
    last = _fit(_recipe("cnn-dropout"), examples, tmp_path / "a").network.get_weights()[0]
    average = _fit(_recipe("cnn-dropout", average=0.9), examples, tmp_path / "b").network.get_weights()[0]
    start = _fit(_recipe("cnn-dropout", learning_rate=1e-9), examples, tmp_path / "c").network.get_weights()[0]
    assert 0 < np.abs(average - start).mean() < np.abs(last - start).mean()


_PROGRAM = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import json
from pathlib import Path
from training.data.examples import Example, Split
from training.fit.end_to_end import fit_end_to_end
from training.recipe.recipe import Recipe
folder, work, devices = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if devices > 1:
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
recipe = Recipe.model_validate(json.loads((folder / "recipe.json").read_text()))
examples = tuple(
    Example(file=path.name, path=path, patient=path.name,
            truths={"normal": place % 2 == 0, "pneumonia": place % 2 == 1})
    for place, path in enumerate(sorted(folder.glob("*.png")))
)
def say(what, done, of):
    sys.stdout.write(f"{what}: {done}/{of}" + chr(10))
    sys.stdout.flush()
learnt = fit_end_to_end(recipe, Split(examples, (), ()), weights=None, work=work, progress=say,
                      devices=[f"CPU:{place}" for place in range(devices)] if devices > 1 else ())
sums = [float(abs(weight).sum()) for weight in learnt.network.get_weights()]
sys.stdout.write(json.dumps({"losses": learnt.losses, "sums": sums}))
"""


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """A function that starts a run of a recipe in a process of its own."""

    def run(recipe: Recipe, work: str, devices: int = 1) -> subprocess.Popen[str]:
        if not (tmp_path / "recipe.json").exists():
            _examples(tmp_path)
        (tmp_path / "recipe.json").write_text(json.dumps(recipe.model_dump(mode="json", by_alias=True)))
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_PROGRAM), tmp_path, tmp_path / work, str(devices)],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    return run


def _finish(process: subprocess.Popen[str]) -> tuple[list[str], dict[str, Any]]:
    out, _ = process.communicate(timeout=150)
    assert process.returncode == 0
    *steps, result = out.splitlines()
    return steps, json.loads(result)


@pytest.mark.faults
def test_a_run_that_is_killed_and_started_again_goes_on_and_ends_as_if_nothing_had_been(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    recipe = _recipe("cnn-dropout", epochs=5)
    _, whole = _finish(start(recipe, "whole"))
    killed = start(recipe, "broken")
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.startswith("training steps: 10/15"):  # the first of the fourth epoch
            break
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    steps, resumed = _finish(start(recipe, "broken"))
    assert next(line for line in steps if line.startswith("training steps")) == "training steps: 10/15"
    assert len(resumed["losses"]) == 5
    assert resumed["losses"][2] == pytest.approx(whole["losses"][2], rel=1e-3)
    assert resumed["sums"] == pytest.approx(whole["sums"], rel=1e-3)


def test_a_run_that_was_killed_after_its_last_epoch_has_nothing_left_to_learn(
    examples: list[Example], tmp_path: Path
) -> None:
    recipe = _recipe("cnn-dropout", average=0.9)
    whole = _fit(recipe, examples, tmp_path / "work")
    again = _fit(recipe, examples, tmp_path / "work")
    assert again.losses == whole.losses
    for one, other in zip(whole.network.get_weights(), again.network.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-6)
    again.forget()
    assert not list((tmp_path / "work").glob("run-*"))


def test_batches_are_shared_among_devices(start: Callable[..., subprocess.Popen[str]]) -> None:
    _, alone = _finish(start(_recipe("cnn-dropout"), "one"))
    _, shared = _finish(start(_recipe("cnn-dropout"), "two", devices=2))
    assert shared["losses"][-1]["loss"] == pytest.approx(alone["losses"][-1]["loss"], rel=0.05)
    assert shared["sums"] == pytest.approx(alone["sums"], rel=0.02)


def test_half_precision_computes_and_hands_back_full_precision(examples: list[Example], tmp_path: Path) -> None:
    learnt = _fit(_recipe(precision="mixed_bfloat16"), examples, tmp_path / "work")
    assert {layer.dtype_policy.compute_dtype for layer in learnt.network.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    assert np.isfinite(learnt.losses[-1]["loss"])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves so
def test_a_stopped_run_is_not_gone_on_with_from_other_weights_or_corrected_labels(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, weights, names = _recipe("cnn-dropout"), tmp_path / "start.weights.h5", []

    def stop(work: Path, key: str, _variables: object) -> None:
        names.append(key)
        raise KeyboardInterrupt

    def key(given: Sequence[Example]) -> str:
        split = Split(tuple(given), (), ())
        with pytest.raises(KeyboardInterrupt):
            fit_end_to_end(recipe, split, weights=weights, work=tmp_path, progress=silent)
        return names[-1]

    monkeypatch.setattr(Checkpoint, "of", stop)
    build(recipe, None).save_weights(weights)
    first = key(examples)
    assert key(examples) == first
    truths = {"normal": False, "pneumonia": True}
    assert key([replace(examples[0], truths=truths), *examples[1:]]) != first
    keras.utils.set_random_seed(99)
    build(recipe, None).save_weights(weights)
    assert key(examples) != first

"""The anatomy network's figures: of the shipped package, each with its floors, and what the goals ask of them."""

import json

import numpy as np

from benchmarks.anatomy import RESULTS, Film, _ranked
from inference.package import load_anatomy
from training.evaluation.package_identity import is_measured_on


def test_the_figures_are_those_of_the_shipped_package_and_beat_their_floors() -> None:
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert is_measured_on(load_anatomy("anatomy"), document)
    assert document["outlines"]
    for entry in document["outlines"]:
        for name in ("lungs_dice", "heart_dice"):
            if name in entry:
                assert entry[name]["value"] > entry[f"floor_{name}"]
    for entry in document["cardiomegaly"]:
        if "floors" in entry:
            assert entry["heart_share"]["value"] > max(floor["value"] for floor in entry["floors"].values())


def test_a_measure_that_follows_the_truth_ranks_it_and_chance_does_not() -> None:
    rng = np.random.default_rng(1)
    films = [
        Film(
            f"{number}", f"{number}", "PA", (0.0, 50.0, 1.0, 0.0), rng.random(4).astype(np.float32), frozenset(),
            None if number == 0 else 0.4 + 0.2 * (number % 2), 0.2 + 0.1 * (number % 2),
        )
        for number in range(60)
    ]  # fmt: skip
    answer = _ranked([(film, int(film.file) % 2 == 1) for film in films], floors=True)
    assert answer["heart_share"]["value"] == 1
    assert answer["without_ratio"] == 1
    assert answer["ratio"]["value"] > 0.95
    assert 0.2 < answer["floors"]["border"]["value"] < 0.8

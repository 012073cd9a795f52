"""Predictions that no model made: scores that know part of the truth, so that every figure has something to say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.data.examples import Example, TruthBox, View
from training.evaluation.predictions import Asked, FoundBox, Head, Package, Predictions, Said, rounded

APART = "away/"
READ = ("normal", "not_normal", "lung_opacity")
MINED = ("atelectasis", "effusion")
Make = Callable[..., Predictions]


def _examples(rng: np.random.Generator, count: int) -> list[Example]:
    examples = []
    for number in range(count):
        covid = number % 5 == 4
        truths: dict[str, bool] = {}
        boxes: tuple[TruthBox, ...] = ()
        if covid:
            sick = bool(rng.random() < 0.5)
            truths = {"covid19": sick, "pneumonia": not sick}
        else:
            read = int(rng.integers(0, 3))
            truths = {name: place == read for place, name in enumerate(READ)}
            truths |= {label: bool(rng.random() < 0.4) for label in MINED}
            if read == 2:
                boxes = (TruthBox("lung_opacity", 0.2, 0.3, 0.2, 0.3, "drawn"),)
        place = APART if covid and number % 2 else "here/"
        examples.append(
            Example(
                file=f"{place}{number:04d}.jpg",
                path=Path(f"{number:04d}.jpg"),
                patient=f"{place}{number // 2}",
                source="ieee8023" if covid else "nih",
                fold=number // 2 % 5,
                view=View.PA if number % 3 else View.AP,
                age=20 + number % 60,
                sex="F" if number % 2 else "M",
                licence="drawn here",
                truths=truths,
                read=frozenset(READ) if not covid else frozenset(),
                boxes=boxes,
                boxed=frozenset({"lung_opacity"}) if not covid else frozenset(),
            )
        )
    return examples


def _score(rng: np.random.Generator, *, true: bool, noise: float) -> float:
    return rounded(1 / (1 + np.exp(-(2.0 * (1 if true else -1) + noise * rng.normal()))))


def _said(rng: np.random.Generator, example: Example, labels: tuple[str, ...], noise: float) -> Said:
    scores = tuple(_score(rng, true=bool(example.truths.get(label)), noise=noise) for label in labels)
    head = rng.dirichlet([1.0, 1.0, 1.0]) + np.asarray([2.0 * bool(example.truths.get(name)) for name in READ])
    shift = 0.02 * noise * rng.normal(size=4)
    found = [
        FoundBox(*(rounded(value) for value in (0.2 + shift[0], 0.3 + shift[1], 0.4 + shift[2], 0.6 + shift[3])),
                 scores[labels.index("lung_opacity")]),
        FoundBox(0.6, 0.3, 0.8, 0.5, rounded(0.3 * rng.random())),
    ]  # fmt: skip
    shares = tuple(rounded(share) for share in head / head.sum())
    return Said(scores, (shares,), {"lung_opacity": tuple(found)})


@pytest.fixture
def make() -> Make:
    """A function that makes predictions: the same pictures for the same count, scores worse with more noise."""

    def made(count: int = 200, *, noise: float = 1.5, seed: int = 1, name: str = "drawn") -> Predictions:
        labels = ("normal", "lung_opacity", *MINED, "covid19")
        examples = _examples(np.random.default_rng(0), count)
        rng = np.random.default_rng(seed)
        return Predictions(
            package=Package(name, "1.0.0", "ab" * 32, "none", "Drawn scores"),
            findings=tuple(
                Asked(label, label.replace("_", " ").capitalize(), label != "normal", 0.3, 0.7,
                      (0.2, 0.6) if label == "lung_opacity" else None)
                for label in labels
            ),
            heads=(Head("reads", READ),),
            examples=tuple(examples),
            said=tuple(_said(rng, example, labels, noise) for example in examples),
        )  # fmt: skip

    return made

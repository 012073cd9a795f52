"""A head learns what is known about a picture, weighed as its recipe says, and nothing from what is not known."""

from pathlib import Path

import numpy as np
import pytest

from training.data.examples import Example
from training.data.known_labels import is_known
from training.fit.head_targets import Accuracy, loss, targets
from training.recipe.recipe import HeadSettings

SOFT = HeadSettings(name="reads", activation="softmax", classes=("normal", "pneumonia"))
SIGMOID = HeadSettings(name="conditions", activation="sigmoid", classes=("mass", "nodule"))


def _example(read: tuple[str, ...] = (), **truths: bool) -> Example:
    return Example(file="x", path=Path("x"), patient="x", truths=truths, read=frozenset(read))


def test_unknown_classes_and_answers_weigh_nothing() -> None:
    rows = [_example(normal=True, mass=True), _example(mass=False), _example(normal=True, pneumonia=True)]
    assert targets(rows, SOFT, weigh=False)[:, 2:].tolist() == [[3, 3], [0, 0], [0, 0]]
    assert targets(rows, SIGMOID, weigh=False)[:, 2:].tolist() == [[3, 0], [3, 0], [0, 0]]
    assert [is_known(row, (SOFT, SIGMOID)) for row in rows] == [True, True, False]


def test_mined_truths_weigh_less_and_balance_makes_classes_alike() -> None:
    rows = [_example(normal=True)] * 3 + [_example(pneumonia=True)]
    balanced = targets(rows, SOFT.model_copy(update={"balance": 1.0}))[:, 2]
    assert balanced[:3].sum() == pytest.approx(balanced[3])
    mined = SIGMOID.model_copy(update={"mined_weight": 0.25})
    weights = targets([_example(("mass",), mass=True), _example(mass=False)], mined)[:, 2]
    assert weights[0] == pytest.approx(4 * weights[1])
    both = targets([_example(mass=True), _example(mass=False), _example(mass=False)], SIGMOID)
    even = targets([_example(mass=True), _example(mass=False), _example(mass=False)], _balanced(SIGMOID))
    assert both[0, 2] == both[1, 2]
    assert even[0, 2] == pytest.approx(even[1, 2] + even[2, 2])


def _balanced(head: HeadSettings) -> HeadSettings:
    return head.model_copy(update={"balance": 1.0})


def test_losses_are_cross_entropies_of_what_is_known() -> None:
    logits = np.asarray([[0.3, -1.2], [2.0, 0.5]], np.float32)
    soft = np.asarray(loss(SOFT)(targets([_example(pneumonia=True), _example()], SOFT, weigh=False), logits))
    chance = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert soft == pytest.approx([-2 * np.log(chance[1]), 0.0], rel=1e-5)  # the one known picture counts for both
    some = np.asarray(loss(SIGMOID)(targets([_example(mass=True), _example(mass=False)], SIGMOID), logits))
    sure = 1 / (1 + np.exp(-logits[:, 0]))
    assert some == pytest.approx([-np.log(sure[0]), -np.log(1 - sure[1])], rel=1e-5)


def test_accuracy_counts_known_answers_only() -> None:
    metric = Accuracy(SOFT)
    truth = targets([_example(normal=True), _example(pneumonia=True), _example()], SOFT)
    metric.update_state(truth, np.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 9.0]], np.float32))
    assert float(metric.result()) == 0.5
    metric = Accuracy(SIGMOID)
    truth = targets([_example(mass=True, nodule=False), _example(mass=True)], SIGMOID)
    metric.update_state(truth, np.asarray([[1.0, 1.0], [1.0, 1.0]], np.float32))
    assert float(metric.result()) == pytest.approx(2 / 3)

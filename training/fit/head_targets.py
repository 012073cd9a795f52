"""What the heads of a classifier are asked to learn, and how far they are: masked, weighed, per head."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example
from training.data.known_labels import known_classes
from training.recipe.recipe import HeadSettings

Floats = NDArray[np.float32]


def targets(examples: Sequence[Example], head: HeadSettings, *, weigh: bool = True) -> Floats:
    """Return what a head should answer for each example, and how much that counts: (n, 2 * classes).

    The first half are truths, 0 or 1; the second half are weights, 0 where nothing is known. With ``weigh`` they
    follow the head's ``mined_weight`` and ``balance``; they are 1 on average, so that a head's loss has the same
    size however little is known.
    """
    truths = np.zeros((len(examples), len(head.classes)), np.float32)
    known = np.zeros_like(truths)
    for row, example in enumerate(examples):
        truths[row] = [bool(example.truths.get(name)) for name in head.classes]
        known[row] = known_classes(example, head)
    weights = known.copy()
    if weigh:
        weights *= [[_confidence(example, head, column) for column in range(known.shape[1])] for example in examples]
        weights *= _balance(truths, known, head)
    total = weights.sum()
    if total > 0:
        weights *= weights.size / total
    return np.concatenate([truths, weights], axis=1)


def loss(head: HeadSettings) -> Any:
    """Return the head's loss on :func:`targets` and logits (n, classes): cross-entropy, one number a picture."""
    classes = len(head.classes)

    def softmax_loss(truth: Any, logits: Any) -> Any:
        entropy = -keras.ops.sum(truth[:, :classes] * keras.ops.log_softmax(logits, axis=-1), axis=-1)
        return entropy * truth[:, classes]

    def sigmoid_loss(truth: Any, logits: Any) -> Any:
        entropy = keras.ops.softplus(logits) - truth[:, :classes] * logits
        return keras.ops.mean(entropy * truth[:, classes:], axis=-1)

    return softmax_loss if head.activation == "softmax" else sigmoid_loss


class Accuracy(keras.metrics.Mean):  # type: ignore[misc]
    """Share of known answers that are right: of pictures where classes are exclusive, else of single answers."""

    def __init__(self, head: HeadSettings) -> None:
        super().__init__(name="accuracy")
        self._head = head

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:  # noqa: ARG002
        """Count :func:`targets` against logits (n, classes)."""
        classes = len(self._head.classes)
        truth, known = y_true[:, :classes], y_true[:, classes:] > 0
        if self._head.activation == "softmax":
            right = keras.ops.argmax(truth, axis=-1) == keras.ops.argmax(y_pred, axis=-1)
            known = known[:, 0]
        else:
            right = (y_pred > 0) == (truth > 0.5)
        return super().update_state(keras.ops.cast(right, "float32"), keras.ops.cast(known, "float32"))


def _confidence(example: Example, head: HeadSettings, column: int) -> float:
    """Return what a truth weighs: 1 when radiologists read it."""
    if head.activation == "softmax":
        column = example.class_of(head.classes) or 0
    return 1.0 if head.classes[column] in example.read else head.mined_weight


def _balance(truths: Floats, known: Floats, head: HeadSettings) -> Floats:
    """Return factors that make classes (or yes and no of each class) weigh alike to the degree the head asks for."""
    count = known.sum(axis=0)
    yes = np.maximum((truths * known).sum(axis=0), 1)
    if head.activation == "softmax":
        factors = (count / (len(head.classes) * yes)) ** head.balance
        return np.asarray((truths * factors).sum(axis=1, keepdims=True), np.float32)
    no = np.maximum(count - yes, 1)
    factors = np.where(truths > 0, (count / (2 * yes)) ** head.balance, (count / (2 * no)) ** head.balance)
    return np.asarray(factors, np.float32)

"""Asking a package about every picture of a data set, through the very code that serves."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.findings import ModelIdentity
from inference.interpret import Answer
from inference.manifest import HeadSpec
from inference.model import Model
from inference.package import AnyPackage
from inference.pixels import Picture
from training.data.examples import Example
from training.data.image_files import read_picture
from training.evaluation.predictions import Asked, FoundBox, Head, Package, Predictions, Said, rounded
from training.recipe.catalogue import CATALOGUE

Progress = Callable[[int], None]
"""Told after each picture how many are done."""


def predict(model: Model, examples: Sequence[Example], progress: Progress = lambda _done: None) -> Predictions:
    """Ask an open model about every example; what a node would say, and every box down to score 0.

    Raises
    ------
    DataError
        For a picture that cannot be read.
    """
    heads = shared_heads(model.package)
    said = []
    for done, example in enumerate(examples, 1):
        said.append(ask(model, read_picture(example.path), heads))
        progress(done)
    return Predictions(
        package=_package(model),
        findings=_findings(model.package),
        heads=tuple(Head(head.name, head.names) for head in heads),
        examples=tuple(examples),
        said=tuple(said),
    )


def ask(model: Model, picture: Picture, heads: Sequence[HeadSpec]) -> Said:
    """Ask about one picture."""
    answers = model.raw(picture)
    scores = model.scores(answers)
    manifest = model.package.manifest
    boxes = {
        spec.label: tuple(
            FoundBox(
                rounded(box.x0 / picture.columns), rounded(box.y0 / picture.rows),
                rounded(box.x1 / picture.columns), rounded(box.y1 / picture.rows), rounded(box.score),
            )
            for box in model.boxes(answers, spec.label)
        )
        for spec in manifest.findings if spec.boxes
    }  # fmt: skip
    return Said(
        scores=tuple(rounded(scores[spec.label]) for spec in manifest.findings),
        heads=tuple(tuple(rounded(one) for one in _softmax(model.package, answers, head)) for head in heads),
        boxes=boxes or None,
    )


def shared_heads(package: AnyPackage) -> tuple[HeadSpec, ...]:
    """Return the softmax heads that every network of a package has, by name and classes."""
    first, *others = package.members
    return tuple(
        head
        for head in first.manifest.heads
        if head.activation == "softmax"
        and all(any((head.name, head.names) == (one.name, one.names) for one in net.manifest.heads) for net in others)
    )


def _softmax(package: AnyPackage, answers: Sequence[Answer], head: HeadSpec) -> NDArray[np.float64]:
    """Return a head's probabilities, the mean over the networks."""
    parts = []
    for member, answer in zip(package.members, answers, strict=True):
        logits = answer.outputs[member.manifest.head(head.name).index][0].astype(np.float64)
        powers = np.exp(logits - logits.max())
        parts.append(powers / powers.sum())
    return np.asarray(np.mean(parts, axis=0))


def _findings(package: AnyPackage) -> tuple[Asked, ...]:
    asked = []
    for spec in package.manifest.findings:
        points, detector = package.points(spec), package.manifest.detector(spec.label)
        title = CATALOGUE[spec.label].title if spec.label in CATALOGUE else spec.code.meaning
        box_points = None if detector is None else (detector.points.sensitive, detector.points.specific)
        learnt_as = package.members[0].manifest.finding(spec.label).class_
        asked.append(Asked(spec.label, title, spec.abnormal, points.sensitive, points.specific, box_points, learnt_as))
    return tuple(asked)


def _package(model: Model) -> Package:
    identity: ModelIdentity = model.identity
    title = model.package.manifest.title
    return Package(identity.name, identity.version, identity.digest, identity.engine, title)

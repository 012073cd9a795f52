"""A verdict network that is open: images in, verdicts out."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.errors import PackageError
from config.settings import InferenceSettings
from inference.engines import Engine, open_engine
from inference.interpret import RawOutputs
from inference.package import VerdictPackage, load_verdict
from inference.pixels import Picture, to_model_input
from inference.pixels.subsample import subsample
from inference.verdict.decide import Answers, Margin, Verdict, decide
from inference.verdict.heads import CONTENTS, MISSING, TURNS, VERDICT_HEADS


class VerdictNetwork:
    """A verdict package in its engine, opened once; safe to share between threads."""

    def __init__(self, package: VerdictPackage, engine: Engine, accept: float | None = None) -> None:
        """Join a package and its engine; ``accept`` replaces the package's own margin."""
        self.package = package
        self._engine = engine
        margin = package.manifest.margin
        self.margin = Margin(margin.accept if accept is None else accept, margin.sure)

    @classmethod
    def open(cls, package: str | Path | VerdictPackage, settings: InferenceSettings | None = None) -> "VerdictNetwork":
        """Load a package by name, folder or as loaded already, and open its network on the processor.

        The network is so small that LiteRT on one thread is faster than the way to a GPU and back. Raises
        :class:`PackageError` as :func:`load_verdict` and :func:`open_engine` do.
        """
        settings = settings or InferenceSettings()
        loaded = load_verdict(package) if isinstance(package, str | Path) else package
        engine = open_engine(loaded, settings.model_copy(update={"engine": "litert", "threads": 1}))
        return cls(loaded, engine, settings.verdict_threshold)

    def verdict(self, picture: Picture) -> Verdict:
        """Return what an image says about itself."""
        return decide(self.answers(picture), self.margin)

    def answers(self, picture: Picture) -> Answers:
        """Return the network's probabilities for an image.

        Raises :class:`PackageError` when the network answers with what are no numbers.
        """
        size = self.package.manifest.input
        canvas, _ = to_model_input(_thinned(picture), size.rows, size.columns, size.contrast)
        return interpret(self.package, self.run(canvas[None]))

    def run(self, batch: NDArray[np.float32]) -> RawOutputs:
        """Run the network alone on (1, rows, columns, 1), 0 to 1; return its logits, one array an output."""
        return self._engine.forward(batch)


def interpret(package: VerdictPackage, outputs: RawOutputs) -> Answers:
    """Return a verdict network's outputs, logits, as probabilities."""
    heads = {}
    for head in package.manifest.heads:
        logits = outputs[head.index].astype(np.float64).reshape(-1)
        if not np.isfinite(logits).all():
            msg = f"model package {package.manifest.name}: its network answers with what are no numbers"
            raise PackageError(msg)
        heads[head.name] = _softmax(logits) if head.activation == "softmax" else _sigmoid(logits)
    flaws = dict(zip(VERDICT_HEADS["flaws"][1], heads["flaws"].tolist(), strict=True))
    return Answers(
        usable=float(heads["usable"][0]),
        content=dict(zip(CONTENTS, heads["content"].tolist(), strict=True)),
        turn=dict(zip(TURNS, heads["turn"].tolist(), strict=True)),
        negative=flaws["negative"],
        missing={name: flaws[name] for name in MISSING},
        mirrored=flaws["mirrored"],
    )


def _thinned(picture: Picture) -> Picture:
    """Return every n-th row and column, so that shrinking the rest costs the same for any size of image.

    At least 64 samples still go into each pixel of the network's input, which keeps noise away from it.
    """
    return Picture(np.ascontiguousarray(subsample(picture.gray)), picture.pixel_aspect)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)))

"""An anatomy network that is open: images in, outlines of lungs and heart out."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.errors import PackageError
from config.settings import InferenceSettings
from inference.anatomy.outlines import Outlines, outlines_of, require_structures
from inference.engines import Engine, open_engine
from inference.package import AnatomyPackage, load_anatomy
from inference.pixels import Picture, to_model_input
from inference.placement import Placement


class AnatomyNetwork:
    """An anatomy package in its engine, opened once; safe to share between threads."""

    def __init__(self, package: AnatomyPackage, engine: Engine) -> None:
        self.package = package
        self._engine = engine

    @classmethod
    def open(cls, package: str | Path | AnatomyPackage, settings: InferenceSettings | None = None) -> "AnatomyNetwork":
        """Load a package by name, folder or as loaded already, and open its network on the processor.

        Raises :class:`PackageError` as :func:`load_anatomy` and :func:`open_engine` do.
        """
        settings = settings or InferenceSettings()
        loaded = load_anatomy(package) if isinstance(package, str | Path) else package
        return cls(loaded, open_engine(loaded, settings.model_copy(update={"engine": "litert"})))

    def outlines(self, picture: Picture) -> Outlines:
        """Return the outlines of lungs and heart on an upright frontal image.

        Raises :class:`PackageError` when the network answers with what are no numbers.
        """
        canvas, placement = self.input(picture)
        logits = self.run(canvas[None])
        try:
            require_structures(logits)
        except ValueError as error:
            raise PackageError(f"model package {self.package.manifest.name}: {error}") from None
        return outlines_of(logits, placement)

    def input(self, picture: Picture) -> tuple[NDArray[np.float32], Placement]:
        """Return the network's input, (rows, columns, 1), and where the image lies in it."""
        size = self.package.manifest.input
        return to_model_input(picture, size.rows, size.columns, size.contrast)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network alone on (1, rows, columns, 1), 0 to 1; return its logits, (rows, columns, structures)."""
        return np.asarray(self._engine.forward(batch)[0][0], np.float32)

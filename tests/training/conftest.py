"""A small data set drawn here: folds, patients, reads and boxes as the real manifest has them."""

import csv
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training.data.terms import Read

Rows = list[dict[str, Any]]
SIDE = 128


def _picture(
    rng: np.random.Generator, *, bright: bool
) -> tuple[np.ndarray[Any, Any], tuple[float, float, float, float]]:
    """Draw two dark lungs, and where asked a bright blob; return it with the blob's box in fractions."""
    ys, xs = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    grey = 0.6 + 0.05 * rng.standard_normal((SIDE, SIDE))
    for middle in (0.3, 0.7):
        grey -= 0.4 * np.exp(-(((xs - middle) / 0.14) ** 2) - ((ys - 0.5) / 0.3) ** 2)
    x, y = rng.choice([0.3, 0.7]), rng.uniform(0.4, 0.6)
    if bright:
        grey += 0.6 * np.exp(-(((xs - x) / 0.08) ** 2) - ((ys - y) / 0.08) ** 2)
    return (grey.clip(0, 1) * 255).astype(np.uint8), (x - 0.12, y - 0.12, 0.24, 0.24)


@pytest.fixture(scope="session")
def write_data_to() -> Callable[..., Path]:
    """A function that writes the data set, after ``change(manifest rows, box rows)``, below a folder."""

    def write(
        folder: Path, change: Callable[[Rows, Rows], None] = lambda _rows, _boxes: None, per_class: int = 2
    ) -> Path:
        root, rng = folder / "data", np.random.default_rng(0)
        (root / "images" / "nih").mkdir(parents=True)
        rows: Rows = []
        boxes: Rows = []
        reads = [read.value for read in Read] * per_class + ["", ""]
        for fold in range(5):
            for number, read in enumerate(reads):
                file = f"nih/{fold}{number:03d}.jpg"
                grey, box = _picture(rng, bright=read == Read.OPACITY)
                Image.fromarray(grey).save(root / "images" / file, quality=95)
                rows.append(
                    {
                        "file": file, "source": "nih", "patient": f"{fold}{number:03d}", "fold": fold, "view": "PA",
                        "age": "50", "sex": "F", "nih_labels": "No Finding" if number % 2 else "Infiltration",
                        "rsna_class": read, "covid_finding": "", "width": SIDE, "height": SIDE, "licence": "drawn here",
                    }
                )  # fmt: skip
                if read == Read.OPACITY:
                    place = dict(zip("xywh", box, strict=True))
                    boxes.append({"file": file, "label": "Lung Opacity", **place, "source": "drawn"})
        change(rows, boxes)
        for name, table in (("manifest.csv", rows), ("boxes.csv", boxes)):
            with (root / name).open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, list(table[0]))
                writer.writeheader()
                writer.writerows(table)
        return root

    return write


@pytest.fixture
def write_data(tmp_path: Path, write_data_to: Callable[..., Path]) -> Callable[..., Path]:
    """The same, below the test's own folder."""
    return functools.partial(write_data_to, tmp_path)

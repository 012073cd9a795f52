"""How often a zone and a side are those of the lung, over public masks of the lungs.

::

    .venv/bin/python -m benchmarks.zones --data DATA [--anatomy PACKAGE] [--most N]

For points of the lungs in the masks of ``DATA/more/masks.csv``: whether :mod:`reporting.zones` puts a small region
there into the third of the lung's height that the mask gives, alone or as one of two zones, and into the half of the
image that the lung is in. The fixed borders follow from JSRT and v7labs; Shenzhen is only measured. With ``--anatomy``
the thirds are those of that network's outlines, of the images that are there; it learnt from JSRT, not from Shenzhen.
"""

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from inference.anatomy.assess import assess
from inference.anatomy.network import AnatomyNetwork
from inference.findings import Box, Level
from inference.pixels import Picture
from reporting.account import AnalysedImage, Lungs
from reporting.source import describe
from reporting.zones import _side, _zones, lungs_of
from tests.accounts import good_header

POINTS = 40
"""Points of each lung."""
LEAST = 0.2
"""Area of the smaller lung over that of the larger, below which a mask shows one lung only."""


def main() -> None:
    """Measure and print a line a collection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--anatomy", help="package whose outlines decide")
    parser.add_argument("--most", type=int, default=10_000, help="images of each collection")
    arguments = parser.parse_args()
    folder = arguments.data / "more"
    network = AnatomyNetwork.open(arguments.anatomy) if arguments.anatomy else None
    seen: Counter[str] = Counter()
    rng = np.random.default_rng(0)
    counts: dict[str, list[tuple[int, bool, bool]]] = defaultdict(list)
    heights: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with (folder / "masks.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            lungs, found = ndimage.label(np.asarray(Image.open(folder / row["mask"])) == 1)
            sizes = ndimage.sum(lungs > 0, lungs, range(1, found + 1))
            largest = np.argsort(sizes)[::-1][:2]
            if found < 2 or sizes[largest[1]] < LEAST * sizes[largest[0]]:
                continue
            if seen[row["source"]] == arguments.most or (network and not (folder / "images" / row["file"]).exists()):
                continue
            seen[row["source"]] += 1
            reach = None if network is None else _lungs(network, folder / "images" / row["file"], lungs.shape)
            outlines = [np.nonzero(lungs == label + 1) for label in largest]
            for on_left, (y, x) in enumerate(sorted(outlines, key=lambda lung: float(lung[1].mean()))):
                top, bottom = np.percentile(y, (0.5, 99.5))
                heights[row["source"]].append((top / lungs.shape[0], bottom / lungs.shape[0]))
                for point in rng.integers(0, len(y), POINTS):
                    third = int(np.clip(3 * (y[point] - top) / (bottom - top), 0, 2))
                    counts[row["source"]].append(_said(lungs.shape, x[point], y[point], third, bool(on_left), reach))
    for source, said in counts.items():
        zones, named, sided = (np.array(column) for column in zip(*said, strict=True))
        top, bottom = np.median(heights[source], axis=0)
        print(
            f"{source}: {len(said)} points; lungs from {top:.3f} to {bottom:.3f}, thirds at "
            f"{top + (bottom - top) / 3:.3f} and {top + 2 * (bottom - top) / 3:.3f}; one zone said "
            f"{np.mean(zones == 1):.3f}, right {np.mean(named[zones == 1]):.3f}; two zones, "
            f"one right {np.mean(named[zones == 2]):.3f}; "
            f"all {np.mean(named):.3f}; side not wrong {np.mean(sided):.4f}"
        )


def _lungs(network: AnatomyNetwork, path: Path, shape: tuple[int, ...]) -> Lungs | None:
    """Return how far the outlined lungs reach, in pixels of the mask."""
    gray = np.asarray(Image.open(path).convert("L").resize((shape[1], shape[0])), np.float32) / np.float32(255)
    return lungs_of(1, {"anatomy": assess(network.outlines(Picture(gray))).as_json()})


def _said(
    shape: tuple[int, ...], x: int, y: int, third: int, on_left: bool, lungs: Lungs | None
) -> tuple[int, bool, bool]:
    """Return how many zones are said, whether the right one is among them, and whether no other side is said."""
    header = good_header()
    header.Rows, header.Columns = shape
    image = AnalysedImage(describe(header), (), to_left=1, lungs=lungs)
    box = Box(x, y, x + 1, y + 1, 0.9, Level.PRESENT)
    zones, side = _zones(box, image, 1 if on_left else -1), _side(box, image)
    return len(zones), third in zones, side in {None, 1 if on_left else -1}


if __name__ == "__main__":
    main()

"""Small data sets drawn here, one in each layout that is read."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Row = dict[str, Any]
Table = Callable[[Path, Sequence[Mapping[str, Any]]], None]
Draw = Callable[..., Path]


@pytest.fixture
def draw() -> Draw:
    """A function that draws a grey picture file of its own: (path, seed, rows, columns)."""

    def draw_picture(path: Path, seed: int = 0, rows: int = 40, columns: int = 50) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = np.random.default_rng(seed).integers(0, 256, (rows, columns), np.uint8)
        Image.fromarray(grey).save(path)
        return path

    return draw_picture


@pytest.fixture
def table() -> Table:
    """A function that writes rows as a CSV file with the columns of the first."""

    def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return write


@pytest.fixture
def manifest(tmp_path: Path, draw: Draw, table: Table) -> Callable[..., Path]:
    """A function that writes a manifest, after ``change(manifest rows, box rows)``, and returns its folder.

    Each of its five folds has one picture of each read, one with mined labels alone, and four with a stated diagnosis.
    """

    def write(change: Callable[[list[Row], list[Row]], None] = lambda _rows, _boxes: None) -> Path:
        root = tmp_path / "manifest"
        rows: list[Row] = []
        boxes: list[Row] = []
        kinds = [
            ("nih", "No Finding", "Normal", ""), ("nih", "Effusion", "No Lung Opacity / Not Normal", ""),
            ("rsna", "Pneumonia|Infiltration", "Lung Opacity", ""), ("nih", "Mass", "", ""),
            ("ieee8023", "", "", "COVID-19, ARDS"), ("ieee8023", "", "", "Streptococcus"),
            ("ieee8023", "", "", "No Finding"), ("ieee8023", "", "", "todo"),
        ]  # fmt: skip
        for fold in range(5):
            for number, (source, mined, read, covid) in enumerate(kinds):
                file = f"{source}/{fold}{number}.jpg"
                draw(root / "images" / file, seed=10 * fold + number)
                rows.append(
                    {
                        "file": file, "source": source, "patient": f"{fold}{number}", "fold": fold, "view": "PA",
                        "age": "50", "sex": "F", "nih_labels": mined, "rsna_class": read, "covid_finding": covid,
                        "width": 50, "height": 40, "licence": "drawn here",
                    }
                )  # fmt: skip
                if read == "Lung Opacity":
                    boxes.append(
                        {
                            "file": file,
                            "label": "Lung Opacity",
                            "x": 0.1,
                            "y": 0.2,
                            "w": 0.3,
                            "h": 0.4,
                            "source": "rsna",
                        }
                    )
        boxes.append(
            {"file": "nih/03.jpg", "label": "Infiltrate", "x": 0, "y": 0, "w": 1, "h": 1, "source": "bbox2017"}
        )
        change(rows, boxes)
        table(root / "manifest.csv", rows)
        table(root / "boxes.csv", boxes)
        return root

    return write

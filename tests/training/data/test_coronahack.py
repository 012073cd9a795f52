"""The CoronaHack metadata: joined labels, parts as folds, and what is left out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from config.errors import DataError
from training.data.examples import Example
from training.data.readers import open_data
from training.data.splits import split_by_fold

ROWS = [
    ("IM-0128-0001.jpeg", "Normal", "TRAIN", "", ""),
    ("person1_bacteria_1.jpeg", "Pnemonia", "TRAIN", "bacteria", ""),
    ("person1_bacteria_2.jpeg", "Pnemonia", "TRAIN", "bacteria", "NaN"),
    ("covid-a.png", "Pnemonia", "TRAIN", "Virus", "COVID-19"),
    ("sars.png", "Pnemonia", "TRAIN", "Virus", "SARS"),
    ("NORMAL2-IM-0035-0001.jpeg", "Normal", "TEST", "", ""),
    ("person3_virus_15.jpeg", "Pneumonia", "TEST", "Virus", ""),
    ("covid-b.png", "Pneumonia", "TEST", "Virus", "COVID-19"),
]
Write = Callable[..., Path]


@pytest.fixture
def coronahack(tmp_path: Path, draw: Callable[..., Path], table: Callable[..., None]) -> Write:
    """A function that writes the data set after ``change(rows)``; pictures as deep as the archive has them."""

    def write(change: Callable[[list[dict[str, Any]]], Any] = lambda _rows: None) -> Path:
        names = ("X_ray_image_name", "Label", "Dataset_type", "Label_1_Virus_category", "Label_2_Virus_category")
        rows = [{"": number, **dict(zip(names, row, strict=True))} for number, row in enumerate(ROWS)]
        for row in rows:
            part = str(row["Dataset_type"]).lower()
            folder = tmp_path / "Coronahack-Chest-XRay-Dataset" / "Coronahack-Chest-XRay-Dataset" / part
            draw(folder / str(row["X_ray_image_name"]))
        change(rows)
        table(tmp_path / "Chest_xray_Corona_Metadata.csv", rows)
        return tmp_path

    return write


def _classes(examples: tuple[Example, ...]) -> list[str]:
    return [next(label for label, true in example.truths.items() if true) for example in examples]


def test_two_columns_are_joined_to_three_exclusive_classes(coronahack: Write) -> None:
    with structlog.testing.capture_logs() as logs:
        examples = open_data(coronahack(), "coronahack")
    assert _classes(examples) == ["normal", "pneumonia", "pneumonia", "covid19", "normal", "pneumonia", "covid19"]
    assert examples[0].truths == {"normal": True, "pneumonia": False, "covid19": False}
    left_out = next(entry for entry in logs if "left out" in entry["event"])
    assert (left_out["count"], left_out["reason"]) == (1, "Pneumonia/SARS")


def test_parts_are_folds_and_names_are_patients(coronahack: Write) -> None:
    examples = open_data(coronahack(), "coronahack")
    assert [example.fold for example in examples] == [0, 0, 0, 0, 1, 1, 1]
    assert [example.patient for example in examples[:6]] == [
        "IM-0128", "person1", "person1", "covid-a", "NORMAL2-IM-0035", "person3",
    ]  # fmt: skip


def test_a_class_that_a_part_lacks_takes_the_parts_away(coronahack: Write) -> None:
    with structlog.testing.capture_logs() as logs:
        examples = open_data(coronahack(lambda rows: rows.pop()), "coronahack")
    assert {example.fold for example in examples} == {None}
    assert any(entry.get("reason") == "Pneumonia/COVID-19" for entry in logs)
    with pytest.raises(DataError, match="has no fold: deal folds out"):
        split_by_fold(examples, test=1, validation=0)


def _without_covid(rows: list[dict[str, Any]]) -> None:
    rows[:] = [row for row in rows if row["Label_2_Virus_category"] != "COVID-19"]


def _renamed(rows: list[dict[str, Any]]) -> None:
    rows[:] = [{"name" if key == "X_ray_image_name" else key: row[key] for key in row} for row in rows]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without_covid, "has no picture of the class Pneumonia/COVID-19"),
        (_renamed, r"Metadata\.csv line 1 has no column X_ray_image_name"),
        (lambda rows: rows[0].update(Label="Healthy"), r'line 2: unknown Label "Healthy": write Normal or Pneumonia'),
        (lambda rows: rows[1].update(Dataset_type="DEV"), r'line 3: unknown Dataset_type "DEV": write TRAIN or TEST'),
        (
            lambda rows: rows[1].update(X_ray_image_name="x.jpeg"),
            r"line 3: the picture x\.jpeg is not in the folder train",
        ),
        (lambda rows: rows.append(dict(rows[0])), "twice"),
    ],
)
def test_wrong_metadata_are_named_with_line_and_cure(coronahack: Write, change: Callable[..., Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        open_data(coronahack(change), "coronahack")


def test_missing_metadata_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Chest_xray_Corona_Metadata\.csv is missing: give the folder"):
        open_data(tmp_path, "coronahack")

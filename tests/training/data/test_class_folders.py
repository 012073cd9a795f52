"""A folder a class: names, masks, patients, and folders that are no classes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing

from config.errors import DataError
from training.data.readers import open_data
from training.data.terms import term

Draw = Callable[..., Path]


@pytest.fixture
def radiography(tmp_path: Path, draw: Draw) -> Path:
    """The layout of the COVID-19 Radiography Database, with its masks."""
    root = tmp_path / "radiography"
    for name in ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia"):
        for number in (1, 2):
            draw(root / name / "images" / f"{name}-{number}.png")
            draw(root / name / "masks" / f"{name}-{number}.png")
    return root


def test_the_radiography_database_has_four_exclusive_classes(radiography: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        examples = open_data(radiography, "class-folders")
    assert len(examples) == 8
    first = examples[0]
    assert (first.file, first.patient) == ("COVID/images/COVID-1.png", "COVID/images/COVID-1.png")
    assert first.truths == {"covid19": True, "lung_opacity": False, "normal": False, "viral_pneumonia": False}
    assert [entry["count"] for entry in logs] == [8]  # whose pictures they are is not known


def test_pictures_may_lie_in_the_class_folder_and_names_may_carry_patients(tmp_path: Path, draw: Draw) -> None:
    for name in ("person7_virus_1.jpeg", "person7_virus_2.jpeg"):
        draw(tmp_path / "sick" / name)
    draw(tmp_path / "well" / "00000013_005.jpg")
    with structlog.testing.capture_logs() as logs:
        examples = open_data(tmp_path, "class-folders")
    assert [example.patient for example in examples] == ["person7", "person7", "00000013"]
    assert not logs


def test_other_files_empty_classes_and_two_folders_of_one_class_are_refused(radiography: Path, draw: Draw) -> None:
    (radiography / "Normal" / "images" / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"notes\.txt is no JPEG, PNG or DICOM file: take it out"):
        open_data(radiography, "class-folders")
    (radiography / "Normal" / "images" / "notes.txt").unlink()
    (radiography / "empty").mkdir()
    with pytest.raises(DataError, match="the class folder empty has no pictures: add some or remove"):
        open_data(radiography, "class-folders")
    draw(radiography / "empty" / "a.png")
    (radiography / "empty").rename(radiography / "Covid-19")
    with pytest.raises(DataError, match="the folders COVID and Covid-19 are both covid19: put them into one"):
        open_data(radiography, "class-folders")


def test_one_folder_is_no_set_of_classes(radiography: Path) -> None:
    with pytest.raises(DataError, match="fewer than two class folders"):
        open_data(radiography / "COVID" / "images", "class-folders")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("COVID", "covid19"), ("Viral Pneumonia", "viral_pneumonia"), ("Pleural_Thickening", "pleural_thickening"),
        ("No Lung Opacity / Not Normal", "not_normal"), ("covid_19_negative", "covid19_negative"),
        ("PleuralEffusion", "effusion"), ("Infiltrate", "infiltration"), ("??", ""), ("covid19", "covid19"),
        ("COVID-19", "covid19"), ("COVID19", "covid19"),
    ],
)  # fmt: skip
def test_a_class_gets_the_catalogues_term(name: str, expected: str) -> None:
    assert term(name) == expected

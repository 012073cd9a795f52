"""What each collection makes known about its films, and what it does not."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from config.errors import DataError
from training.data.examples import Example
from training.data.many_sources import many_sources

_FIRST = ("file", "source", "patient", "fold", "view", "age", "nih_labels", "rsna_class", "covid_finding")
_MORE = (*_FIRST, "part", "findings")


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def known(tmp_path: Path) -> dict[str, Example]:
    """The films of a data folder by file."""
    first = [
        {"file": "nih/1.jpg", "source": "nih", "nih_labels": "Mass|Nodule"},
        {"file": "rsna/1.jpg", "source": "rsna", "rsna_class": "Normal"},
        {"file": "ieee8023/1.jpg", "source": "ieee8023", "covid_finding": "Pneumonia/Viral/COVID-19"},
    ]
    more = [
        {"file": "nihbox/1.jpg", "source": "nih", "part": "nihbox", "nih_labels": "Effusion"},
        {"file": "jsrt/1.png", "source": "jsrt", "part": "jsrt", "findings": "nodule"},
        {"file": "shenzhen/1.png", "source": "shenzhen", "part": "shenzhen", "findings": "tuberculosis"},
        {"file": "shenzhen/2.png", "source": "shenzhen", "part": "shenzhen", "findings": "none"},
    ]
    for folder, columns, rows in ((tmp_path, _FIRST, first), (tmp_path / "more", _MORE, more)):
        filled = [{"patient": row["file"], "fold": "1", "view": "PA", "age": "50", **row} for row in rows]
        write_table(folder / "manifest.csv", columns, filled)
        for row in rows:
            (folder / "images" / row["file"]).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "images" / row["file"])
    box = {"x": "0.1", "y": "0.1", "w": "0.2", "h": "0.2"}
    columns = ("file", "label", "x", "y", "w", "h", "source")
    write_table(
        tmp_path / "more" / "boxes.csv",
        columns,
        [{"file": "nihbox/1.jpg", "label": "Cardiomegaly", **box, "source": "bbox2017"}],
    )
    write_table(
        tmp_path / "more" / "reads.csv",
        ("file", "reader", "finding"),
        [{"file": "nih/1.jpg", "reader": "chestxdet", "finding": "Effusion|Diffuse Nodule"}],
    )
    return {film.file: film for film in many_sources(tmp_path)}


def test_exhaustive_reads_outweigh_mined_labels(known: dict[str, Example]) -> None:
    film = known["nih/1.jpg"]
    assert (film.truths["mass"], film.truths["nodule"], film.truths["effusion"]) == (False, True, True)
    assert {"mass", "nodule", "effusion"} <= film.read
    assert film.truths["pneumonia"] is False  # mined: ChestX-Det has no pneumonia
    assert "pneumonia" not in film.read


def test_a_normal_film_shows_none_of_the_conditions(known: dict[str, Example]) -> None:
    for file in ("rsna/1.jpg", "shenzhen/2.png"):
        film = known[file]
        assert film.truths["normal"]
        assert not any(film.truths[label] for label in ("effusion", "mass", "pneumothorax", "lung_opacity"))


def test_sick_films_are_negatives_of_what_they_do_not_show_alone(known: dict[str, Example]) -> None:
    covid, tuberculosis = known["ieee8023/1.jpg"].truths, known["shenzhen/1.png"].truths
    assert covid["lung_opacity"]
    assert tuberculosis["lung_opacity"]
    assert covid["pneumothorax"] is tuberculosis["pneumothorax"] is False
    assert "effusion" not in covid
    assert not {"effusion", "nodule", "atelectasis"} & tuberculosis.keys()


def test_a_box_says_nothing_of_what_is_not_boxed(known: dict[str, Example]) -> None:
    film = known["nihbox/1.jpg"]
    assert film.truths["cardiomegaly"]
    assert "cardiomegaly" in film.read
    assert film.truths["effusion"]
    assert "effusion" not in film.read


def test_a_proven_nodule_may_be_a_mass(known: dict[str, Example]) -> None:
    film = known["jsrt/1.png"]
    assert film.truths["nodule"]
    assert film.truths["not_normal"]
    assert "mass" not in film.truths
    assert film.truths["effusion"] is False


def test_without_the_second_set_the_cure_is_told(tmp_path: Path) -> None:
    write_table(tmp_path / "manifest.csv", _FIRST, [])
    with pytest.raises(DataError, match="more/"):
        many_sources(tmp_path)

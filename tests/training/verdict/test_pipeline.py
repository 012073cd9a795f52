"""A verdict package from a folder of films, by the command that makes the shipped one."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from config.errors import DataError, SettingsError
from inference.package import FIGURES, load_verdict
from inference.pixels import Picture
from inference.verdict.network import VerdictNetwork
from training.data.films import all_films
from training.verdict.pipeline import Drawn, parts, produce
from training.verdict.verdict_recipe import find_recipe

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with films of noise: 20 frontal and 4 lateral, one of them known to be wrong."""
    folder, rng = tmp_path / "data", np.random.default_rng(1)
    (folder / "images" / "nih").mkdir(parents=True)
    rows = []
    for number in range(24):
        file, view = f"nih/{number}.jpg", "L" if number >= 20 else "PA"
        Image.fromarray(rng.integers(0, 255, (90, 80), np.uint8)).save(folder / "images" / file)
        row: dict[str, Any] = {"file": file, "source": "nih", "patient": number, "fold": number % 5, "view": view}
        rows.append({**row, "age": 5 if number == 7 else 50})
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "known-wrong.csv").write_text("file,what\nimages/nih/3.jpg,negative\n")
    return folder


def test_children_kept_folds_and_films_known_to_be_wrong_teach_nothing(data: Path) -> None:
    recipe = find_recipe("verdict")
    assert recipe is not None
    dealt = parts(recipe, all_films(data))
    numbers = {int(film.path.stem) for film in dealt.frontals}
    assert numbers == {number for number in range(20) if number % 5 != 4 and number not in {3, 7}}
    assert {film.fold for film in dealt.validation} == {4}
    assert {film.fold for film in dealt.laterals} <= set(recipe.data.lateral_folds)


def test_the_twin_learns_from_one_origin_and_from_other_laterals() -> None:
    shipped, twin = find_recipe("verdict"), find_recipe("verdict-twin")
    assert shipped is not None
    assert twin is not None
    assert set(twin.data.sources) == set(shipped.data.validation_sources)
    assert not set(twin.data.lateral_folds) & set(shipped.data.lateral_folds)
    assert (twin.network, twin.fit.epochs, twin.margin) == (shipped.network, shipped.fit.epochs, shipped.margin)


def test_a_quick_run_writes_a_package_that_serves(data: Path, tmp_path: Path) -> None:
    recipe = find_recipe("verdict")
    assert recipe is not None
    phantoms = Drawn(laterals=[np.zeros((60, 40), np.uint8)])
    package = produce(recipe, data, tmp_path / "made", drawn=phantoms, quick=True)
    assert load_verdict(tmp_path / "made").digest == package.digest
    figures = json.loads(package.path(FIGURES).read_text())
    assert figures["protocol"]["quick"]
    verdict = VerdictNetwork.open(package).verdict(Picture(np.random.default_rng(2).random((300, 200), np.float32)))
    assert 0 <= verdict.usable <= 1


def test_too_few_films_are_refused(data: Path, tmp_path: Path) -> None:
    recipe = find_recipe("verdict")
    assert recipe is not None
    elsewhere = recipe.model_copy(update={"data": recipe.data.model_copy(update={"sources": ("jsrt",)})})
    with pytest.raises(DataError, match="frontal and lateral films"):
        produce(elsewhere, data, tmp_path / "made")


def test_other_recipes_are_no_verdict_recipes(tmp_path: Path) -> None:
    assert find_recipe("chest-default") is None
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('kind = "verdict"\nunknown = 1\n')
    with pytest.raises(SettingsError, match=r"wrong\.toml"):
        find_recipe(str(wrong))

"""An anatomy package from a folder of outlined films, by the command that makes the shipped one."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from config.errors import DataError, SettingsError
from inference.anatomy.network import AnatomyNetwork
from inference.anatomy.structures import HEART, LEFT_LUNG, RIGHT_LUNG
from inference.package import CARD, FIGURES, load_anatomy
from inference.pixels import Picture
from tests.inference.anatomy.phantom_masks import chest
from training.anatomy.anatomy_recipe import AnatomyRecipe, find_recipe
from training.anatomy.draw_changes import draw_changes
from training.anatomy.masked_films import masked_films, outlined, read_mask
from training.anatomy.produce_anatomy import deal, produce

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with twelve outlined films, ten of them of JSRT, and one film without outlines."""
    folder, rng = tmp_path / "data", np.random.default_rng(1)
    structures = chest().structures
    drawn = np.select([structures == HEART, structures > 0], [2, 1], 0).astype(np.uint8)
    films: list[dict[str, Any]] = []
    masks: list[dict[str, Any]] = []
    for number in range(13):
        source = "jsrt" if number < 10 else "shenzhen"
        file = f"{source}/{number}.jpg"
        for part in ("images", "masks"):
            (folder / part / source).mkdir(parents=True, exist_ok=True)
        gray = np.where(drawn > 0, 60 * drawn, 200) + rng.integers(-20, 20, drawn.shape)
        Image.fromarray(gray.astype(np.uint8)).save(folder / "images" / file)
        row: dict[str, Any] = {"file": file, "source": source, "patient": number, "fold": number % 5, "view": "PA"}
        films.append({**row, "age": 50})
        if number != 12:
            mask = drawn if source == "jsrt" else np.minimum(drawn, 1) * (structures != HEART)
            Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / source / f"{number}.png")
            masks.append({"file": file, "mask": f"masks/{source}/{number}.png", "source": source})
    for name, rows in (("manifest.csv", films), ("masks.csv", masks)):
        with (folder / name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def recipe() -> AnatomyRecipe:
    recipe = find_recipe("anatomy")
    assert recipe is not None
    return recipe


def test_a_fold_left_out_and_other_collections_teach_nothing(data: Path, recipe: AnatomyRecipe) -> None:
    dealt = deal(recipe.without_fold(2), data)
    assert {film.film.fold for film in dealt.taught} == {0, 1, 3, 4}
    assert [film.film.file for film in dealt.left_out] == ["jsrt/2.jpg", "jsrt/7.jpg"]
    assert [film.film.file for film in dealt.elsewhere] == ["shenzhen/10.jpg", "shenzhen/11.jpg"]
    assert len(deal(recipe, data).taught) == 10


def test_changes_of_a_film_do_not_depend_on_the_other_films(data: Path) -> None:
    films = masked_films(data, ("jsrt",))[:3]
    together, alone = draw_changes(films, 2, 96, 64, seed=3), draw_changes(films[1:2], 2, 96, 64, seed=3)
    assert together.images.shape == (6, 64, 64, 1)
    assert together.shares.shape == (6, 32, 32, 4)
    assert np.array_equal(together.images[2:4], alone.images)
    assert np.array_equal(together.shares[2:4], alone.shares)
    assert np.abs(together.shares.sum(axis=-1, dtype=int) - 255).max() <= 2
    assert not np.array_equal(together.images[0], together.images[1])


def test_a_film_lies_on_its_mask(data: Path) -> None:
    drawn = outlined(masked_films(data, ("jsrt",))[0], 96)
    assert drawn.gray[drawn.structures == HEART].mean() > drawn.gray[drawn.structures == RIGHT_LUNG].mean()
    assert drawn.gray[drawn.structures == 0].mean() > drawn.gray[drawn.structures == HEART].mean()


def test_lungs_of_a_mask_are_told_apart_by_where_they_lie(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[5:30, 35:50] = 1
    mask[8:30, 5:20] = 1
    mask[32:34, 36:38] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    structures = read_mask(tmp_path / "mask.png")
    assert set(np.unique(structures[:, :30])) == {0, RIGHT_LUNG}
    assert set(np.unique(structures[:, 30:])) == {0, LEFT_LUNG}


@pytest.mark.parametrize("mask", [np.full((9, 9), 7, np.uint8), np.ones((9, 9), np.uint8)])
def test_a_file_that_is_no_mask_is_refused(tmp_path: Path, mask: np.ndarray) -> None:
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match=r"mask\.png"):
        read_mask(tmp_path / "mask.png")


def test_a_quick_run_writes_a_package_that_serves(data: Path, tmp_path: Path, recipe: AnatomyRecipe) -> None:
    package = produce(recipe, data, tmp_path / "made", quick=True)
    assert load_anatomy(tmp_path / "made").digest == package.digest
    figures = json.loads(package.path(FIGURES).read_text())
    assert figures["protocol"]["quick"]
    assert figures["elsewhere"]["films"] == 2
    assert figures["elsewhere"]["heart_dice"] is None
    assert "| jsrt | 8 |" in package.path(CARD).read_text()
    outlines = AnatomyNetwork.open(package).outlines(Picture(np.random.default_rng(2).random((300, 200), np.float32)))
    assert outlines.structures.shape[0] == 256
    assert (outlines.image_rows, outlines.image_columns) == (300, 200)


def test_too_few_films_are_refused(data: Path, tmp_path: Path, recipe: AnatomyRecipe) -> None:
    elsewhere = recipe.model_copy(update={"data": recipe.data.model_copy(update={"sources": ("shenzhen",)})})
    with pytest.raises(DataError, match="with masks"):
        produce(elsewhere, data, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    (data / "masks.csv").unlink()
    with pytest.raises(DataError, match=r"masks\.csv"):
        deal(recipe, data)


def test_other_recipes_are_no_anatomy_recipes(tmp_path: Path) -> None:
    assert find_recipe("chest-default") is None
    assert find_recipe("verdict") is None
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('kind = "anatomy"\nunknown = 1\n')
    with pytest.raises(SettingsError, match=r"wrong\.toml"):
        find_recipe(str(wrong))

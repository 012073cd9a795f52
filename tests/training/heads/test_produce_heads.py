"""A package with new heads, from drawn films on the shipped networks: it serves, and remembers whom it learnt from."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from config.errors import DataError, SettingsError
from inference.model import Model
from inference.package import CARD, FIGURES, load_package
from inference.pixels import Picture
from training.data.many_sources import CONDITIONS
from training.evaluation.record import record_of
from training.heads.heads_recipe import HeadsRecipe, find_recipe
from training.heads.produce_heads import produce

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]
_COLUMNS = ("file", "source", "patient", "fold", "view", "age", "nih_labels", "covid_finding", "part", "findings")


@pytest.fixture
def recipe() -> HeadsRecipe:
    found = find_recipe("chest-heads")
    assert found is not None
    data = found.data.model_copy(update={"sources": ("nihbox", "jsrt"), "left_out": ("jsrt",), "measured": ()})
    fit = found.fit.model_copy(update={"directions": 8, "soft": 0.3})
    return found.model_copy(update={"data": data, "fit": fit})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose second set has 36 drawn films."""
    folder, rng = tmp_path / "data", np.random.default_rng(1)
    labels = [name.capitalize() for name in CONDITIONS]
    rows = []
    for number in range(36):
        part = "jsrt" if number % 6 == 5 else "nihbox"
        rows.append(
            {
                "file": f"{part}/{number}.png", "source": part, "patient": f"p{number}", "fold": number % 5,
                "view": "PA", "age": "50", "part": part,
                "nih_labels": "" if part == "jsrt" else "|".join(rng.choice(labels, 3, replace=False)),
                "findings": "nodule" if part == "jsrt" else "",
            }
        )  # fmt: skip
        (folder / "more" / "images" / part).mkdir(parents=True, exist_ok=True)
        gray = rng.integers(0, 255, (48, 40)).astype(np.uint8)
        Image.fromarray(gray).save(folder / "more" / "images" / f"{part}/{number}.png")
    tables: dict[str, tuple[tuple[str, ...], list[dict[str, object]]]] = {
        "manifest.csv": (_COLUMNS, []),
        "more/manifest.csv": (_COLUMNS, rows),
        "more/reads.csv": (("file", "reader", "finding"), []),
    }
    for name, (columns, content) in tables.items():
        with (folder / name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, restval="")
            writer.writeheader()
            writer.writerows(content)
    return folder


@pytest.mark.long
def test_a_package_with_new_heads_serves(data: Path, tmp_path: Path, recipe: HeadsRecipe) -> None:
    package = produce(recipe, data, tmp_path / "made", quick=True)
    assert load_package(tmp_path / "made").digest == package.digest
    base = load_package("chest-default")
    picture = Picture(np.random.default_rng(2).random((300, 260), np.float32))
    new, old = ({one.label: one for one in Model.open(each).findings(picture)} for each in (package, base))
    assert new.keys() == old.keys()
    assert new["lung_opacity"].score == pytest.approx(old["lung_opacity"].score, abs=1e-4)
    assert any(abs(new[label].score - old[label].score) > 1e-4 for label in CONDITIONS)
    specs = {spec.label: spec for spec in package.manifest.findings}
    assert all(specs[label].evidence is None for label in CONDITIONS)
    assert specs["lung_opacity"].evidence is not None
    figures = json.loads(package.path(FIGURES).read_text())
    assert figures["heads"]["quick"]
    assert "| nihbox |" in package.path(CARD).read_text()
    assert record_of(package).patients


def test_what_cannot_be_fitted_is_said_before_anything_is_written(
    data: Path, tmp_path: Path, recipe: HeadsRecipe
) -> None:
    with pytest.raises(SettingsError, match="no head unknown"):
        produce(recipe.model_copy(update={"head": "unknown"}), data, tmp_path / "made")
    sources = recipe.data.model_copy(update={"sources": ("bimcv",)})
    with pytest.raises(DataError, match="no film of bimcv"):
        produce(recipe.model_copy(update={"data": sources}), data, tmp_path / "made")
    (data / "more" / "reads.csv").unlink()
    with pytest.raises(DataError, match=r"reads\.csv"):
        produce(recipe, data, tmp_path / "made")
    assert not (tmp_path / "made").exists()

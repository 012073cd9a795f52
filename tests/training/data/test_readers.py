"""One door: every layout a recipe may name, and none besides."""

from pathlib import Path

import pytest

from config.errors import DataError, SettingsError
from training.data.readers import READERS, open_data
from training.data.whole_folder import whole_folder
from training.recipe.shipped_recipes import load_recipe, shipped_recipes


def test_every_shipped_recipe_names_a_reader_of_the_registry() -> None:
    assert {load_recipe(name).data.reader for name in shipped_recipes()} <= set(READERS)


def test_the_documentation_says_what_every_reader_needs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "training-data.md").read_text("utf-8")
    rows = [
        f"| `{reader.name}` | {reader.needs} | {reader.also or '–'} | {reader.patients} |"
        for reader in READERS.values()
    ]
    assert [row for row in rows if row not in text] == []


def test_another_reader_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no reader kaggle: choose one of class-folders, coronahack"):
        open_data(tmp_path, "kaggle")


def _half_written(out: Path, error: BaseException) -> None:
    with whole_folder(out) as folder:
        (folder / "half").write_text("x")
        raise error


def test_a_folder_that_could_not_be_finished_vanishes_whatever_went_wrong(tmp_path: Path) -> None:
    out = tmp_path / "work" / "out"
    with pytest.raises(DataError, match=r"could not be written \(No space left on device\): make room"):
        _half_written(out, OSError(28, "No space left on device"))
    with pytest.raises(KeyboardInterrupt):
        _half_written(out, KeyboardInterrupt())
    assert list(out.parent.iterdir()) == []
    with whole_folder(out) as folder:
        (folder / "all").write_text("x")
    assert (out / "all").read_text() == "x"

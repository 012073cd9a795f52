"""What is kept of the trunk's maps between looking at them."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from training.data.examples import Example
from training.fit import cache_key
from training.fit.features import compute
from training.fit.result import silent
from training.recipe.recipe import Recipe

FILES = Path("/proc/self/fd")
RECIPE = Recipe.model_validate(
    {
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "network": {"side": 64},
        "heads": [{"name": "reads", "activation": "softmax", "classes": ["normal", "lung_opacity"]}],
        "findings": [{"label": "lung_opacity", "head": "reads"}],
        "augment": {"variants": 2},
    }
)


@pytest.mark.skipif(not FILES.is_dir(), reason="only here does the system say which files are open")
def test_maps_that_nobody_looks_at_keep_no_file_open_so_that_a_data_set_may_have_any_number(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    examples = []
    for name in ("a", "b", "c"):
        Image.fromarray(grey).save(tmp_path / f"{name}.png")
        examples.append(Example(name, tmp_path / f"{name}.png", name))
    picture = keras.Input((64, 64, 1))
    trunk = keras.Model(picture, keras.layers.AveragePooling2D(8)(picture))
    before = len(list(FILES.iterdir()))
    found = compute(trunk, RECIPE, examples, altered=True, cache=tmp_path, progress=silent, what="pictures")
    assert found.variants == 2
    assert found.batch([0, 2], [1, 1]).shape == (2, 8, 8, 1)
    assert len(list(FILES.iterdir())) == before


def test_maps_are_kept_for_one_version_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "a.png")
    picture = keras.Input((64, 64, 1))
    trunk = keras.Model(picture, keras.layers.AveragePooling2D(8)(picture))

    def folders(*truths: str) -> int:
        known = Example("a", tmp_path / "a.png", "a", truths=dict.fromkeys(truths, True))
        compute(trunk, RECIPE, [known], altered=True, cache=tmp_path / "work", progress=silent, what="pictures")
        return len(list((tmp_path / "work").iterdir()))

    assert folders() == folders("normal") == 1, "a corrected label costs no new maps"
    monkeypatch.setattr(cache_key, "program", lambda: "99.0.0")
    assert folders() == 2

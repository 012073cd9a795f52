"""A frozen network seen at three sizes: only its last layer learns, and it learns what there is to learn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from config.errors import SettingsError
from training.data.examples import Example
from training.data.image_files import read_picture
from training.data.manifest import read
from training.fit import linear_probe as room
from training.fit.end_to_end import model_input
from training.fit.linear_probe import fit_linear_probe
from training.fit.result import silent
from training.networks import levels
from training.networks.backbone import Weights, layer_names
from training.recipe.recipe import Recipe, parse_recipe

WriteData = Callable[..., Path]


def _document(**changes: Any) -> dict[str, Any]:
    return {
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "network": {"kind": "levels", "side": 64},
        "heads": [
            {"name": "reads", "activation": "softmax", "classes": ["normal", "not_normal", "lung_opacity"], "refit": 1}
        ],
        "findings": [{"label": "lung_opacity", "head": "reads"}],
        "augment": {"variants": 2},
        **changes,
    }


def _recipe(**changes: Any) -> Recipe:
    return parse_recipe(_document(**changes), "tiny")


@pytest.fixture(scope="module")
def examples(write_data_to: WriteData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, ...]:
    return tuple(read(write_data_to(tmp_path_factory.mktemp("levels"), per_class=3)))


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Random ones that keep the size of what they answer, stage after stage."""
    rng = np.random.default_rng(0)
    backbone = levels.build(_recipe().network, _recipe().heads).get_layer("backbone")
    made = []
    for name in layer_names():
        shape = backbone.get_layer(name).kernel.shape
        inputs = shape[0] * shape[1] * (1 if name.endswith("depthwise") else shape[2])
        kernel = rng.standard_normal(shape) * np.sqrt(2 / inputs)
        made.append((kernel.astype(np.float32), np.zeros(shape[2] if name.endswith("depthwise") else shape[3], "f")))
    return made


def test_a_picture_is_seen_at_three_sizes_that_the_network_can_halve() -> None:
    assert levels.sizes(448) == [224, 320, 448]
    assert levels.sizes(192) == [96, 128, 192]
    assert levels.sizes(64) == [32, 64]


def test_a_picture_and_its_mirror_image_give_the_same_features_and_another_picture_others(weights: Weights) -> None:
    features = levels.extractor(levels.build(_recipe().network, _recipe().heads, weights))
    one, other = np.random.default_rng(0).random((2, 1, 64, 64, 1)).astype(np.float32)
    seen, mirrored, others = (np.asarray(features(picture)) for picture in (one, one[:, :, ::-1], other))
    assert np.abs(seen - mirrored).max() < 1e-3
    assert np.abs(seen - others).max() > 0.1


def test_nothing_but_the_heads_can_learn() -> None:
    network = levels.build(_recipe().network, _recipe().heads)
    assert [one.path.split("/")[0] for one in network.trainable_variables] == ["reads", "reads"]


def test_the_network_says_what_the_ridge_on_its_features_says(
    examples: tuple[Example, ...], weights: Weights, tmp_path: Path
) -> None:
    recipe = _recipe(augment={"variants": 1, "rotation_degrees": 0, "shift": 0, "zoom": 0, "gamma": 0, "contrast": 0,
                              "brightness": 0, "bars": 0})  # fmt: skip
    learnt = fit_linear_probe(recipe, examples, weights=weights, work=tmp_path, progress=silent)
    known = [one for one in examples if one.class_of(recipe.heads[0].classes) is not None]
    pictures = np.stack([model_input(recipe, one) for one in known])
    features = np.asarray(levels.extractor(learnt.network).predict_on_batch(pictures))
    logits = np.asarray(learnt.network.predict_on_batch(pictures))
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    truth = np.asarray([one.class_of(recipe.heads[0].classes) for one in known])
    ridge = LogisticRegression(C=1.0, max_iter=500).fit((features - middle) / spread, truth)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    assert np.abs(shares - ridge.predict_proba((features - middle) / spread)).max() < 0.1
    assert learnt.losses[0]["reads_loss"] < np.log(3) / 2


def test_of_two_classes_the_probability_is_that_of_the_ridge(examples: tuple[Example, ...]) -> None:
    rng = np.random.default_rng(1)
    head = _recipe().heads[0].model_copy(update={"classes": ("normal", "lung_opacity")})
    seen = rng.standard_normal((len(examples), 5)).astype(np.float32)
    kernel, bias, _ = room._ridge(seen, examples, head, 1)
    known = np.asarray([one.class_of(head.classes) is not None for one in examples])
    truth = np.asarray([one.class_of(head.classes) or 0 for one in examples])
    ridge = LogisticRegression(C=1.0, max_iter=500).fit(seen[known], truth[known])
    logits = seen @ kernel + bias
    shares = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    assert shares == pytest.approx(ridge.predict_proba(seen)[:, 1], abs=1e-3)


def test_features_are_computed_once_for_every_fold(
    examples: tuple[Example, ...], weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fit_linear_probe(_recipe(), examples, weights=weights, work=tmp_path, progress=silent)
    monkeypatch.setattr("training.fit.features.read_picture", lambda _path: pytest.fail("a picture was read again"))
    again = fit_linear_probe(_recipe(), examples[:-2], weights=weights, work=tmp_path, progress=silent)
    assert keras.ops.shape(again.network.get_layer("reads").kernel) == first.network.get_layer("reads").kernel.shape
    assert read_picture(examples[0].path).columns == 128


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"heads": [{"name": "reads", "activation": "softmax", "classes": ["normal", "lung_opacity"]}]},
            "levels needs softmax heads with refit",
        ),
        (
            {"heads": [{"name": "reads", "activation": "sigmoid", "classes": ["lung_opacity"], "refit": 1}]},
            "softmax heads of levels",
        ),
        ({"maps": ["lung_opacity"]}, "levels has no maps"),
    ],
)
def test_levels_have_softmax_heads_with_a_ridge_and_no_maps(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        _recipe(**changes)


def test_a_last_layer_is_fitted_in_no_epochs() -> None:
    assert _recipe().epochs == 0
    assert _recipe(network={"kind": "cnn"}, heads=[{**_document()["heads"][0], "refit": 0}]).epochs == 6

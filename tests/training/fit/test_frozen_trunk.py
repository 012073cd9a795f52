"""What an epoch holds, what a run learns, that a seed repeats it, and that a stopped run goes on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config.errors import SettingsError
from training.data.examples import Example
from training.data.manifest import read
from training.data.model_boxes import ModelBox
from training.fit import frozen_trunk
from training.fit.features import Features
from training.fit.result import FitResult, silent
from training.networks import mobilenet
from training.networks.backbone import Weights, layer_names
from training.recipe.recipe import Recipe

RECIPE = Recipe.model_validate(
    {
        "maps": ["lung_opacity"],
        "package": {"name": "tiny", "version": "0.0.1", "title": "Tiny", "summary": "For tests."},
        "network": {"side": 96, "width": 16, "dropout": 0, "map_dropout": 0},
        "heads": [
            {"name": "reads", "activation": "softmax", "classes": ["normal", "not_normal", "lung_opacity"]},
            {"name": "conditions", "activation": "sigmoid", "classes": ["infiltration", "no_finding"]},
        ],
        "findings": [{"label": "lung_opacity", "head": "reads", "heat": True, "boxes": True}],
        "augment": {"variants": 3},
        "fit": {"batch": 4, "epochs": 3, "read_repeats": 2},
    }
)


def _examples(count: int = 8, unread: int = 4) -> list[Example]:
    classes = ("normal", "not_normal", "lung_opacity")
    known = [
        Example(
            f"{index}", Path("x"), f"{index}",
            truths={name: name == classes[index % 3] for name in classes},
            read=frozenset(classes), boxed=frozenset({"lung_opacity"}),
        )
        for index in range(count)
    ]  # fmt: skip
    mined = {"infiltration": True, "no_finding": False}
    return [*known, *(Example(f"u{index}", Path("x"), f"u{index}", truths=mined) for index in range(unread))]


def _features(count: int) -> Features:
    maps = np.zeros((count, 3, 12, 12, 2), np.float16)
    maps += np.arange(count, dtype=np.float16)[:, None, None, None, None] * 10
    maps += np.arange(3, dtype=np.float16)[None, :, None, None, None]
    return Features(tuple(maps), (((ModelBox(0.5, 0.5, 0.2, 0.2),),) * 3,) * count)


@pytest.fixture
def batches() -> frozen_trunk.Batches:
    return frozen_trunk.Batches(RECIPE, _examples(), _features(12))


def _marks(batches: frozen_trunk.Batches) -> list[int]:
    return [int(mark) for step in range(len(batches)) for mark in batches[step][0][:, 0, 0, 0]]


def test_an_epoch_has_a_read_picture_as_often_as_the_recipe_says_and_others_once(batches: frozen_trunk.Batches) -> None:
    assert len(batches) == (8 * 2 + 4) // 4
    pictures = [mark // 10 for mark in _marks(batches)]
    assert sorted(pictures) == sorted([*range(8), *range(12)])


def test_the_copies_of_a_picture_take_turns(batches: frozen_trunk.Batches) -> None:
    seen = set()
    for epoch in range(3):
        batches.begin(epoch)
        seen |= {mark for mark in _marks(batches) if mark // 10 == 5}
    assert seen == {50, 51, 52}


def test_the_same_seed_and_epoch_give_the_same_batches(batches: frozen_trunk.Batches) -> None:
    again = frozen_trunk.Batches(RECIPE, _examples(), _features(12))
    batches.begin(1)
    again.begin(1)
    for step in range(len(batches)):
        assert np.array_equal(batches[step][0], again[step][0])


def test_what_nobody_read_teaches_neither_class_nor_boxes(batches: frozen_trunk.Batches) -> None:
    for step in range(len(batches)):
        maps, (reads, conditions, heat, _) = batches[step]
        read_ones = maps[:, 0, 0, 0] < 80
        assert ((reads[:, 3:] > 0).all(axis=1) == read_ones).all()
        assert ((conditions[:, 2:] > 0).all(axis=1) == ~read_ones).all()
        assert ((heat[..., 1:].max(axis=(1, 2, 3)) > 0) == read_ones).all()


def _fit(recipe: Recipe, root: Path, work: Path, stop_after: int | None = None) -> FitResult:
    examples = [one for one in read(root) if one.fold not in {0, 1}]

    def done(epoch: int, of: int, losses: dict[str, float]) -> None:
        if epoch == stop_after:
            raise KeyboardInterrupt

    return frozen_trunk.fit_frozen_trunk(recipe, examples, weights=None, work=work, progress=silent, epoch_done=done)


@pytest.mark.long  # test_end_to_end shows at every run that a fit goes on
def test_a_stopped_run_goes_on_and_ends_where_an_undisturbed_one_does(write_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    root = write_data()
    # What is hidden at random is drawn as it would have been, too.
    hiding = RECIPE.model_copy(
        update={"network": RECIPE.network.model_copy(update={"dropout": 0.5, "map_dropout": 0.5})}
    )
    whole = _fit(hiding, root, tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        _fit(hiding, root, tmp_path / "two", stop_after=2)
    resumed = _fit(hiding, root, tmp_path / "two")
    assert len(resumed.losses) == 3
    assert resumed.losses[-1] == pytest.approx(whole.losses[-1], rel=1e-5)
    for one, other in zip(whole.network.get_weights(), resumed.network.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-3)
    assert list((tmp_path / "two").glob("run-*")), "the network is only in memory"
    again = _fit(hiding, root, tmp_path / "two")
    assert again.losses == resumed.losses, "no epoch was fitted again"
    for one, other in zip(again.network.get_weights(), resumed.network.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-6)
    again.forget()
    assert not list((tmp_path / "two").glob("run-*"))


@pytest.mark.long  # a fit for one warning
def test_a_fit_that_runs_away_is_said_to_have(write_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    fast = RECIPE.fit.model_copy(update={"head_learning_rate": 1e30, "learning_rate": 1e30, "epochs": 2})
    with pytest.raises(SettingsError, match="lower the learning rates"):
        _fit(RECIPE.model_copy(update={"fit": fast}), write_data(), tmp_path / "work")


def test_losses_fall_on_pictures_that_can_be_told_apart(write_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    longer = RECIPE.model_copy(update={"fit": RECIPE.fit.model_copy(update={"epochs": 6})})
    learnt = _fit(longer, write_data(), tmp_path / "work")
    assert learnt.losses[-1]["heat_loss"] < learnt.losses[0]["heat_loss"]


def test_the_targets_of_heads_and_maps_have_the_shapes_of_the_answers(batches: frozen_trunk.Batches) -> None:
    _, targets = batches[0]
    assert [target.shape[1:] for target in targets] == [(6,), (4,), (6, 6, 2), (6, 6, 5)]


def test_a_stopped_run_is_not_gone_on_with_from_other_weights_or_corrected_labels(
    write_data,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    examples = read(write_data())
    names = []

    def stop(work: Path, key: str, _variables: object) -> None:
        names.append(key)
        raise KeyboardInterrupt

    def key(given: Sequence[Example], weights: Weights | None) -> str:
        with pytest.raises(KeyboardInterrupt):
            frozen_trunk.fit_frozen_trunk(
                RECIPE, given, weights=weights, work=tmp_path, progress=silent, epoch_done=lambda *_what: None
            )
        return names[-1]

    monkeypatch.setattr(frozen_trunk.Checkpoint, "of", stop)
    network = mobilenet.build(RECIPE)
    weights = [(layer.kernel.numpy(), layer.bias.numpy()) for layer in map(network.get_layer, layer_names())]
    others = [(kernel + 1, bias) for kernel, bias in weights]
    corrected = [replace(examples[0], read=frozenset()), *examples[1:]]
    assert key(examples, weights) == key(examples, weights)
    assert len({key(examples, weights), key(examples, others), key(examples, None), key(corrected, weights)}) == 4

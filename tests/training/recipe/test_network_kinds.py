"""Every kind of network is an object: what it allows, and where it is built and fitted."""

from importlib.metadata import EntryPoint

import pytest

from config.errors import SettingsError
from training.recipe.network_kinds import NETWORK_KINDS, network_kind
from training.recipe.recipe import parse_recipe
from training.recipe.shipped_recipes import load_recipe, shipped_recipes


@pytest.mark.parametrize("name", NETWORK_KINDS)
def test_the_entry_points_of_a_kind_are_there(name: str) -> None:
    kind = NETWORK_KINDS[name]
    for value in (kind.fitter, kind.builder):
        assert not value or callable(EntryPoint(name, value, "test").load())


def test_every_kind_has_a_recipe_that_ships() -> None:
    assert {load_recipe(name).network.kind for name in shipped_recipes()} == set(NETWORK_KINDS)


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="there is no network kind resnet: choose one of mobilenet, levels"):
        network_kind("resnet")
    document = load_recipe("vgg16-covid").model_dump(mode="json", by_alias=True)
    document["network"]["kind"] = "resnet"
    with pytest.raises(SettingsError, match=r"network\.kind: .*there is no network kind resnet"):
        parse_recipe(document, "mine.toml")


def test_boxes_need_a_kind_with_maps() -> None:
    document = load_recipe("vgg16-covid").model_dump(mode="json", by_alias=True)
    document["maps"] = ["covid19"]
    with pytest.raises(SettingsError, match="vgg16 has no maps: boxes need mobilenet"):
        parse_recipe(document, "mine.toml")

"""Manifests from recipes and what was chosen on validation pictures."""

import pytest

from training.calibration.logistic import Logistic
from training.calibration.scale import RAW, Calibration, Scale
from training.packaging.package_manifest import manifest
from training.recipe.shipped_recipes import load_recipe


@pytest.mark.parametrize(("sensitive", "whole"), [(0.12, 0.12), (0.0, 0.001)])
def test_a_finding_on_top_of_another_counts_whole_from_that_ones_sensitive_point_on(
    sensitive: float, whole: float
) -> None:
    recipe = load_recipe("chest-default")
    chosen = Calibration({"lung_opacity": Scale(Logistic((1.0, 0.0), 0.0), sensitive, 0.6)})
    assert manifest(recipe, chosen).finding("covid19").given_whole == whole
    assert manifest(recipe, chosen).finding("effusion").given_whole == 1.0


def test_where_nothing_is_chosen_yet_a_finding_is_multiplied_by_the_one_below_it() -> None:
    assert manifest(load_recipe("chest-default"), RAW).finding("covid19").given_whole == 1.0

"""The package that comes with the program: what its card and figures say is what its files do."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.settings import InferenceSettings
from inference.engines import open_engine
from inference.package import BUILT_IN, ModelPackage, load_network
from training import evaluate, measures
from training.calibrate import Logistic
from training.card import card
from training.docs import built_in, page
from training.export import TOLERANCE
from training.package import OPACITY, Calibration, Scale, manifest
from training.recipe import Recipe
from training.run import choose_rows, read_manifest
from training.scores import finding_inputs, score

ROOT = Path(__file__).parents[2]
LARGEST = 15_000_000

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:keras"
)


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return load_network("opacity")


@pytest.fixture(scope="module")
def figures(package: ModelPackage) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(package.path("figures.json").read_text(encoding="utf-8"))
    return document


def test_the_shipped_package_is_whole_and_small(package: ModelPackage) -> None:
    assert package.manifest.name == "opacity"
    assert sum(file.stat().st_size for file in package.folder.iterdir()) <= LARGEST


def test_the_card_is_written_from_the_figures(package: ModelPackage, figures: dict[str, Any]) -> None:
    assert package.path("card.md").read_text(encoding="utf-8") == card(package.manifest, figures)
    assert figures["package"] == {"name": package.manifest.name, "version": package.manifest.version}
    assert figures["protocol"]["quick"] is False


def test_the_page_of_models_is_written_from_the_packages() -> None:
    assert BUILT_IN / "opacity" in built_in()
    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == page(built_in())


def test_the_recipe_in_the_figures_makes_the_manifest(package: ModelPackage, figures: dict[str, Any]) -> None:
    shipped = package.manifest
    expected = manifest(Recipe.model_validate(figures["recipe"]), _calibration(package))
    assert shipped.model_dump(exclude={"files"}) == expected.model_dump(exclude={"files"})
    for finding in shipped.findings:
        points = figures["test"]["findings"][finding.label]["points"]
        assert points["sensitive"]["threshold"] == finding.points.sensitive
        assert points["specific"]["threshold"] == finding.points.specific


def test_the_figures_keep_above_their_floors(figures: dict[str, Any]) -> None:
    test = figures["test"]
    opacity = test["findings"]["lung_opacity"]
    assert test["opacity_against_normal"]["value"] >= 0.96
    assert opacity["auroc_against_all_others"]["value"] >= 0.87
    assert opacity["expected_calibration_error"]["value"] <= 0.04
    assert opacity["points"]["sensitive"]["sensitivity"]["value"] >= 0.92
    assert test["boxes"]["average_precision_0.5"]["value"] >= 0.24
    assert test["boxes"]["rsna_score"]["value"] >= 0.165
    assert test["boxes"]["pointing_game"]["value"] >= 0.89


def test_both_engines_agree(package: ModelPackage) -> None:
    size = package.manifest.input
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.standard_normal((size.rows, size.columns)), axis=1).astype(np.float32)
    picture = ((smooth - smooth.min()) / np.ptp(smooth))[None, ..., None]
    answers = [
        open_engine(package, InferenceSettings(engine=name)).forward(picture) for name in ("litert", "tensorflow")
    ]
    for one, other in zip(*answers, strict=True):
        assert np.abs(one - other).max() < 10 * TOLERANCE


@pytest.mark.data
def test_the_headline_figure_is_measured_again(package: ModelPackage, figures: dict[str, Any], cxr_data: Path) -> None:
    recipe = Recipe.model_validate(figures["recipe"])
    rows = choose_rows(recipe, read_manifest(cxr_data)).read.test
    engine = open_engine(package, InferenceSettings(engine="litert"))
    answers = score(engine, rows, recipe.model.side, lambda *_: None, "test")
    scores = _calibration(package).opacity.logistic(finding_inputs(answers, OPACITY))
    opacity, normal = (
        evaluate.truths([row.read is evaluate.READ_OF[label] for row in rows]) for label in ("lung_opacity", "normal")
    )
    chosen = opacity | normal
    assert measures.auroc(scores[chosen], opacity[chosen]) == pytest.approx(
        figures["test"]["opacity_against_normal"]["value"], abs=1e-3
    )


def _calibration(package: ModelPackage) -> Calibration:
    opacity, normal = package.manifest.findings
    detector = package.manifest.detector(OPACITY)
    assert detector is not None
    boxes = Logistic((detector.calibration.scale,), detector.calibration.bias)
    return Calibration(
        *(
            Scale(
                Logistic((finding.calibration.class_, finding.calibration.heat), finding.calibration.bias),
                finding.points.sensitive,
                finding.points.specific,
            )
            for finding in (opacity, normal)
        ),
        boxes=Scale(boxes, detector.points.sensitive, detector.points.specific),
    )

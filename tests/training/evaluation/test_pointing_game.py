"""The pointing game."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.package import load_package
from training.data.examples import TruthBox
from training.evaluation.package_identity import package_identity
from training.evaluation.pointing_game import best_constant, hits, measure, peak


def box(x: float, y: float, w: float = 0.2, h: float = 0.2) -> TruthBox:
    return TruthBox("lung_opacity", x, y, w, h)


def test_a_map_points_with_the_middle_of_its_greatest_cell() -> None:
    cells = np.zeros((4, 5))
    cells[3, 1] = 1
    assert peak(cells) == pytest.approx((0.3, 0.875))


def test_a_point_hits_where_it_lies_in_any_box() -> None:
    assert hits((0.25, 0.25), [box(0.6, 0.6), box(0.1, 0.1)])
    assert not hits((0.5, 0.25), [box(0.6, 0.6), box(0.1, 0.1)])


@given(
    st.lists(
        st.lists(st.builds(box, st.floats(0, 0.8), st.floats(0, 0.8)), min_size=1, max_size=3), min_size=1, max_size=8
    )
)
def test_no_point_of_the_same_grid_hits_more_images_than_the_best_constant_point(boxes: list[list[TruthBox]]) -> None:
    def count(point: tuple[float, float]) -> int:
        return sum(hits(point, of_image) for of_image in boxes)

    best = count(best_constant(boxes))
    middles = (np.arange(0, 64, 7) + 0.5) / 64
    assert all(count((float(x), float(y))) <= best for x in middles for y in middles)


def test_maps_that_look_beat_the_constant_point_and_maps_that_do_not_do_not() -> None:
    random = np.random.default_rng(0)
    boxes = [[box(*random.uniform(0, 0.8, 2))] for _ in range(60)]
    patients = [str(number) for number in range(60)]
    looking = measure([(of[0].x + 0.1, of[0].y + 0.1) for of in boxes], boxes, patients)
    assert looking.pointing.value == 1.0
    assert looking.beats
    blind = measure([best_constant(boxes)] * 60, boxes, patients)
    assert blind.margin.value == 0.0
    assert not blind.beats


def figures(low: float) -> dict[str, object]:
    figure = {"value": 0.9, "interval": [0.8, 0.95]}
    heat = {
        "images": 50, "patients": 50, "pointing": figure, "constant": {"value": 0.6, "interval": [0.5, 0.7]},
        "margin": {"value": 0.3, "interval": [low, 0.5]}, "beats": low > 0,
    }  # fmt: skip
    package = package_identity(load_package("chest-default")) | {"version": "1.2.0"}
    return {"package": package, "findings": {"lung_opacity": {"heat": heat}, "effusion": {"heat": heat}}}


@pytest.mark.parametrize(("low", "mapped"), [(0.1, ["lung_opacity"]), (-0.05, [])])
def test_a_package_says_which_findings_have_a_map(tmp_path: Path, low: float, mapped: list[str]) -> None:
    import shutil

    from inference.package import BUILT_IN
    from training.packaging.score_maps import main

    shutil.copytree(BUILT_IN / "chest-default", tmp_path / "chest-default")
    (tmp_path / "maps.json").write_text(json.dumps(figures(low)))
    before = load_package(tmp_path / "chest-default").manifest
    assert main([str(tmp_path / "chest-default"), str(tmp_path / "maps.json")]) == 0
    after = load_package(tmp_path / "chest-default").manifest
    assert [finding.label for finding in after.findings if finding.map] == mapped  # effusion has no boxes to map
    unmapped = [finding.model_copy(update={"map": None}) for finding in after.findings]
    assert unmapped == [finding.model_copy(update={"map": None}) for finding in before.findings]
    assert after.files == before.files


@pytest.mark.parametrize(
    "package", [{"name": "chest-default", "version": "1.3.0", "networks": "0" * 64}, "other 1.0.0"]
)
def test_figures_of_other_networks_are_refused(
    tmp_path: Path, package: object, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.packaging.score_maps import main

    (tmp_path / "maps.json").write_text(json.dumps(figures(0.1) | {"package": package}))
    assert main(["inference/packages/chest-default", str(tmp_path / "maps.json")]) == 1
    assert "measure this package first" in capsys.readouterr().err

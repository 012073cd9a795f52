"""An image that is unlike the learnt ones says so, and states only what was shown to hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from pydicom import dcmwrite

from config.errors import PackageError
from config.settings import InferenceSettings
from inference import ensemble, model
from inference.analyse import Analyser, StageTimes
from inference.findings import ImageAnalysis, RemarkKind
from inference.manifest import LikenessScale, LikenessSpec, Manifest
from inference.not_analysed import NotAnalysed
from inference.package import ModelPackage, load_package, write_ensemble, write_package


class Engine:
    """Sees an opacity, and features at one distance from the learnt ones."""

    name = "steady 1 cpu"

    def __init__(self, distance: float) -> None:
        self._distance = distance

    def forward(self, batch: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        heat = np.full((1, 8, 12, 1), -9.0, np.float32)
        heat[0, 3, 6, 0] = 2.0
        boxes, features = np.full((1, 8, 12, 4), 0.25, np.float32), np.full((1, 4), self._distance, np.float32)
        return [np.array([[0.0, 0.0, 3.0]], np.float32), heat, boxes, features]


def analysed(
    package: ModelPackage, distance: float, folder: Path, radiograph: Any, monkeypatch: pytest.MonkeyPatch
) -> ImageAnalysis:
    monkeypatch.setattr(model, "open_engine", lambda _package, _settings: Engine(distance))
    dcmwrite(folder / "image.dcm", radiograph(), enforce_file_format=True)
    # The file holds a ramp, which no verdict takes for a chest: 0 takes every image.
    analyser = Analyser(InferenceSettings(package=str(package.folder), verdict_threshold=0.0))
    return analyser.analyse_file(folder / "image.dcm", StageTimes())


@pytest.mark.parametrize(("distance", "share", "unlike"), [(0.5, 0.25, False), (1.8, 0.9, False), (1.9, 0.95, True)])
def test_beyond_the_threshold_an_image_is_called_unlike_and_nothing_is_stated(
    distance: float,
    share: float,
    unlike: bool,
    measured_package: ModelPackage,
    tmp_path: Path,
    radiograph: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    analysis = analysed(measured_package, distance, tmp_path, radiograph, monkeypatch)
    assert analysis.distance == pytest.approx(share)
    assert [remark.kind for remark in analysis.remarks] == ([RemarkKind.UNLIKE_LEARNT] if unlike else [])
    assert not isinstance(analysis.outcome, NotAnalysed)
    assert {finding.stated for finding in analysis.outcome} == {not unlike}


def test_what_holds_on_unlike_images_is_stated_there(
    measured_package: ModelPackage, tmp_path: Path, radiograph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = measured_package.manifest
    assert manifest.likeness is not None
    holding = manifest.likeness.model_copy(update={"holds": ("lung_opacity",)})
    files = {name: measured_package.folder / name for name in manifest.files}
    package = write_package(tmp_path / "holding", manifest.model_copy(update={"likeness": holding}), files)
    analysis = analysed(package, 5.0, tmp_path, radiograph, monkeypatch)
    assert not isinstance(analysis.outcome, NotAnalysed)
    assert {finding.label: finding.stated for finding in analysis.outcome} == {"lung_opacity": True, "normal": False}


def test_a_package_without_a_measure_says_nothing_of_it(
    hollow_package: ModelPackage, tmp_path: Path, radiograph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis = analysed(hollow_package, 9.0, tmp_path, radiograph, monkeypatch)
    assert analysis.distance is None
    assert analysis.remarks == ()


def test_a_measure_whose_file_is_missing_is_refused(measured_package: ModelPackage) -> None:
    (measured_package.folder / "likeness.npz").unlink()
    with pytest.raises(PackageError, match=r"likeness\.npz is missing"):
        load_package(measured_package.folder)


def test_an_ensemble_has_a_measure_only_where_all_its_networks_have_one(
    measured_package: ModelPackage, hollow_package: ModelPackage, tmp_path: Path, likeness: LikenessSpec
) -> None:
    drafted = ensemble.draft(
        [measured_package.manifest, hollow_package.manifest], name="both", version="1.0.0", title="Both",
        summary="For tests.", licence="Apache-2.0", intended_use="tests",
    )  # fmt: skip
    scale = LikenessScale(**likeness.model_dump(exclude={"features"}))
    folders = [measured_package.folder, hollow_package.folder]
    with pytest.raises(PackageError, match="members/2"):
        write_ensemble(tmp_path / "both", drafted.model_copy(update={"likeness": scale}), folders)


def test_a_scale_that_falls_or_names_an_unknown_finding_is_refused(manifest: Manifest, likeness: LikenessSpec) -> None:
    with pytest.raises(ValidationError, match="must not fall"):
        LikenessScale(quantiles=(1.0, 0.5), threshold=0.9, images=3, sources=("here",))
    for change, message in (
        ({"holds": ("gout",)}, "likeness.holds names the finding gout"),
        ({"features": 1}, "indices of heads, maps and likeness"),
    ):
        wrong = {**manifest.model_dump(), "likeness": {**likeness.model_dump(), **change}}
        with pytest.raises(ValidationError, match=message):
            Manifest.model_validate(wrong)

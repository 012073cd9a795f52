"""A model that is open answers alike for whoever asks, whatever its package is made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmwrite

from config.errors import PackageError, SettingsError
from config.settings import InferenceSettings, OperatingPointSettings
from cxrnode.phantom import phantom_dataset
from inference import model as models
from inference.analyse import Analyser, StageTimes
from inference.ensemble import draft
from inference.findings import OperatingPoints
from inference.interpret import findings_of
from inference.model import Model
from inference.package import (
    BUILT_IN,
    EnsemblePackage,
    ModelPackage,
    load_network,
    with_site_points,
    write_ensemble,
)
from inference.pixels import Picture, read_picture, render, to_model_input

QUIET = pytest.mark.filterwarnings("ignore")  # TensorFlow's own warnings
LITERT = InferenceSettings(engine="litert")


def picture(seed: int = 1) -> Picture:
    return Picture(np.random.default_rng(seed).random((300, 260), np.float32), pixel_aspect=1.1)


@QUIET
def test_one_network_answers_as_its_engine_and_its_manifest_say(rich_package: ModelPackage) -> None:
    model = Model.open(rich_package.folder, LITERT)
    assert (model.identity.name, model.identity.digest) == ("rich", rich_package.digest)
    (answer,) = model.raw(picture())
    _, placement = to_model_input(picture(), 48, 48)
    assert answer.placement == placement
    assert [output.shape for output in answer.outputs] == [(1, 2), (1, 3), (1, 12, 12, 4), (1, 12, 12, 2)]
    assert model.findings(picture()) == findings_of(rich_package, answer.outputs, placement)
    assert model.scores((answer,)) == {finding.label: finding.score for finding in model.findings(picture())}


@QUIET
@pytest.mark.parametrize("kind", ["rich", "both"])
def test_litert_and_tensorflow_find_the_same(
    kind: str, rich_package: ModelPackage, both_package: EnsemblePackage
) -> None:
    package = rich_package if kind == "rich" else both_package
    litert, tensorflow = (Model.open(package, InferenceSettings(engine=name)) for name in ("litert", "tensorflow"))
    assert litert.identity.engine.startswith("litert ")
    assert tensorflow.identity.engine.startswith("tensorflow ")
    for seed in range(3):
        for one, other in zip(litert.findings(picture(seed)), tensorflow.findings(picture(seed)), strict=True):
            assert one.label == other.label
            assert one.score == pytest.approx(other.score, abs=1e-5)
            assert [box.score for box in one.boxes] == pytest.approx([box.score for box in other.boxes], abs=1e-5)


@QUIET
def test_each_member_of_an_ensemble_sees_the_picture_in_its_own_size(
    both_package: EnsemblePackage, tiny_package: ModelPackage, rich_package: ModelPackage
) -> None:
    model = Model.open(both_package, LITERT)
    assert [entry.batch.shape for entry in model.inputs(picture())] == [(1, 64, 96, 1), (1, 48, 48, 1)]
    assert model.identity.engine.count("litert") == 1
    alone = [Model.open(member, LITERT) for member in (tiny_package, rich_package)]
    scores = [member.scores(member.raw(picture())) for member in alone]
    for finding in model.findings(picture()):
        assert finding.score == pytest.approx(sum(score[finding.label] for score in scores) / 2)
        for box in finding.boxes:
            assert 0 <= box.x0 < box.x1 <= 260
            assert 0 <= box.y0 < box.y1 <= 300
    assert model.boxes(model.raw(picture()), "lung_opacity")
    assert model.boxes(model.raw(picture()), "normal") == ()


class SameSizeEngine:
    """Answers with nothing; only its name counts."""

    name = "none 1 cpu"

    def forward(self, batch: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        return []


def test_members_of_one_size_share_one_input(rich: ModelPackage, hollow_ensemble: EnsemblePackage) -> None:
    twins = EnsemblePackage(hollow_ensemble.folder, hollow_ensemble.manifest, "0" * 64, members=(rich, rich))
    one, other = Model(twins, [SameSizeEngine(), SameSizeEngine()]).inputs(picture())
    assert one is other
    with pytest.raises(PackageError, match="has 2 members, not 1"):
        Model(twins, [SameSizeEngine()])


def test_the_sites_points_are_in_force_and_stay(
    hollow_ensemble: EnsemblePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "open_engine", lambda package, settings: SameSizeEngine())
    points = {"normal": OperatingPointSettings(sensitive=0.1, specific=0.2)}
    normal = hollow_ensemble.manifest.findings[1]
    opened = Model.open(hollow_ensemble, InferenceSettings(operating_points=points))
    assert opened.package.points(normal) == OperatingPoints(0.1, 0.2)
    again = Model.open(with_site_points(hollow_ensemble, points))
    assert again.package.points(normal) == OperatingPoints(0.1, 0.2)
    with pytest.raises(SettingsError, match="tumour"):
        Model.open(hollow_ensemble, InferenceSettings(operating_points={"tumour": points["normal"]}))


@QUIET
def test_the_worker_says_what_the_model_says(
    both_package: EnsemblePackage, radiograph: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    dcmwrite(path, radiograph(), enforce_file_format=True)
    settings = LITERT.model_copy(update={"package": str(both_package.folder), "verdict_threshold": 0.0})
    analyser, times = Analyser(settings), StageTimes()
    assert analyser.identity == Model.open(both_package, LITERT).identity
    analysis = analyser.analyse_file(path, times)
    assert analysis.outcome == Model.open(both_package, LITERT).findings(read_picture(path, 10**6))
    assert all(seconds > 0 for seconds in times.seconds.values())


def test_an_ensemble_of_twins_says_what_one_says(tmp_path: Path) -> None:
    opacity = load_network(BUILT_IN / "chest-default" / "members" / "1")
    about = dict.fromkeys(("version", "title", "summary", "licence", "intended_use"), "1")
    manifest = draft([opacity.manifest] * 2, name="twins", **about)
    twins = Model.open(write_ensemble(tmp_path / "twins", manifest, [opacity.folder] * 2), LITERT)
    single, shown = Model.open(opacity, LITERT), render(phantom_dataset(6, opacity=True), 10**8)
    for one, other in zip(single.findings(shown), twins.findings(shown), strict=True):
        assert (one.label, one.code, one.site, one.points) == (other.label, other.code, other.site, other.points)
        assert one.score == pytest.approx(other.score)
    alone, together = (model.boxes(model.raw(shown), "lung_opacity") for model in (single, twins))
    assert alone
    for box, same in zip(alone, together, strict=True):
        assert (box.score, box.level) == (pytest.approx(same.score), same.level)
        assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((same.x0, same.y0, same.x1, same.y1))

"""The shipped verdict network on phantoms, on cases that once went wrong, and on real films."""

from pathlib import Path

import numpy as np
import pytest

from config.errors import CxrnodeError, PackageError
from config.settings import InferenceSettings
from cxrnode.demo_phantoms import SCENES
from cxrnode.phantom import View
from inference.package import load_package, load_verdict
from inference.pixels import Picture, implausible, read_picture
from inference.verdict.decide import Kind
from inference.verdict.network import VerdictNetwork
from tests.phantoms import draw

MAX_PIXELS = 100_000_000


@pytest.fixture(scope="module")
def network() -> VerdictNetwork:
    return VerdictNetwork.open("verdict")


def phantom(seed: int, view: View = View.PA) -> Picture:
    return Picture(draw(seed, view=view, size=512).astype(np.float32) / np.float32(4095))


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_phantoms_of_the_demonstration_are_what_they_are(network: VerdictNetwork, scene: object) -> None:
    gray = draw(scene.seed, opacity=scene.opacities(), view=scene.view, size=512)  # type: ignore[attr-defined]
    verdict = network.verdict(Picture(gray.astype(np.float32) / np.float32(4095)))
    frontal = scene.view in {View.PA, View.AP}  # type: ignore[attr-defined]
    assert verdict.frontal_upright is frontal


def test_a_phantom_turned_or_inverted_is_named(network: VerdictNetwork) -> None:
    gray = phantom(7).gray
    assert network.verdict(Picture(1 - gray)).kind is Kind.NEGATIVE
    for degrees in (90, 180, 270):
        verdict = network.verdict(Picture(np.ascontiguousarray(np.rot90(gray, -degrees // 90))))
        assert (verdict.kind, verdict.turned) == (Kind.TURNED, degrees)


@pytest.mark.parametrize(
    ("file", "frontal"),
    [
        ("D74_phantom_upright.dcm", True),
        ("D75_phantom_negative.dcm", False),
        ("D76_phantom_rot90.dcm", False),
        ("D78_noise.dcm", False),
        ("D80_grey_ramp.dcm", False),
    ],
)
def test_cases_that_once_went_wrong(network: VerdictNetwork, cxr_cases: Path, file: str, frontal: bool) -> None:
    picture = read_picture(cxr_cases / "dicom" / file, MAX_PIXELS)
    assert network.verdict(picture).frontal_upright is frontal


def test_real_chest_films_pass_and_other_files_do_not(network: VerdictNetwork, cxr_data: Path) -> None:
    for path in sorted((cxr_data / "dicom" / "chest").glob("*.dcm")):
        assert network.verdict(read_picture(path, MAX_PIXELS)).frontal_upright, path.name
    for path in sorted((cxr_data / "dicom" / "other").glob("*.dcm")):
        try:
            picture = read_picture(path, MAX_PIXELS)
        except CxrnodeError:
            continue
        assert implausible(picture) is not None or not network.verdict(picture).frontal_upright, path.name


def test_a_site_sets_the_margin(network: VerdictNetwork) -> None:
    every = VerdictNetwork.open("verdict", InferenceSettings(verdict_threshold=0))
    noise = Picture(np.random.default_rng(1).random((256, 256), np.float32))
    assert every.verdict(noise).frontal_upright
    assert not network.verdict(noise).frontal_upright


def test_a_package_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(PackageError, match=r"inference\.verdict_package needs one that does"):
        load_verdict("chest-default")
    with pytest.raises(PackageError, match=r"name it as inference\.verdict_package"):
        load_package("verdict")

"""The shipped anatomy network on phantoms and on outlined films."""

from pathlib import Path

import numpy as np
import pytest

from config.errors import PackageError
from inference.anatomy.assess import assess
from inference.anatomy.network import AnatomyNetwork
from inference.anatomy.structures import HEART, LEFT_LUNG, RIGHT_LUNG
from inference.package import load_anatomy, load_package
from inference.pixels import Picture
from tests.phantoms import draw
from training.anatomy.masked_films import masked_films, read_mask
from training.anatomy.measure_outlines import agreement
from training.data.image_files import read_picture


@pytest.fixture(scope="module")
def network() -> AnatomyNetwork:
    return AnatomyNetwork.open("anatomy")


def test_lungs_and_heart_of_a_phantom_lie_where_they_should(network: AnatomyNetwork) -> None:
    gray = draw(7, size=512).astype(np.float32) / np.float32(4095)
    outlines = network.outlines(Picture(gray))
    middles = {lung: np.nonzero(outlines.mask(lung))[1].mean() for lung in (RIGHT_LUNG, LEFT_LUNG, HEART)}
    assert middles[RIGHT_LUNG] < middles[HEART] < middles[LEFT_LUNG]
    anatomy = assess(outlines)
    assert anatomy.ratio is not None
    assert 0.3 < anatomy.ratio.ratio < 0.7
    assert anatomy.right_lung.whole


def test_an_image_of_one_tone_has_no_lungs(network: AnatomyNetwork) -> None:
    anatomy = assess(network.outlines(Picture(np.full((300, 300), 0.5, np.float32))))
    assert anatomy.as_json()["cardiothoracic_ratio"] is None


def test_outlines_agree_with_those_of_readers(network: AnatomyNetwork, cxr_data: Path) -> None:
    for film in masked_films(cxr_data, ("shenzhen",))[::60]:
        row = agreement(film.film.file, network.outlines(read_picture(film.film.path)), read_mask(film.mask))
        assert row.lungs_dice > 0.8, film.film.file


def test_a_package_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(PackageError, match=r"inference\.anatomy_package needs one that does"):
        load_anatomy("verdict")
    with pytest.raises(PackageError, match=r"name it as inference\.anatomy_package"):
        load_package("anatomy")

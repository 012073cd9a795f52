"""A site report says how often a package speaks about images without labels, and never how often it is right."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from config.errors import DataError
from inference.model import Model
from training.data.readers import open_data
from training.evaluation.site_report import site_report


class _Played:
    """A model whose scores follow from how bright an image is."""

    def __init__(self, *, likeness: bool) -> None:
        points = SimpleNamespace(sensitive=0.3, specific=0.6)
        specs = [
            SimpleNamespace(label="effusion", abnormal=True, code=SimpleNamespace(meaning="Effusion")),
            SimpleNamespace(label="normal", abnormal=False, code=SimpleNamespace(meaning="Normal")),
        ]
        measure = SimpleNamespace(threshold=0.9) if likeness else None
        self.package = SimpleNamespace(
            manifest=SimpleNamespace(findings=specs, likeness=measure), points=lambda _spec: points
        )
        self.identity = SimpleNamespace(name="played", version="1.0.0", digest="d")
        self._likeness = likeness

    def raw(self, picture: Any) -> float:
        return float(picture.gray.mean())

    def scores(self, grey: float) -> dict[str, float]:
        return {"effusion": grey, "normal": 1 - grey}

    def distance(self, grey: float) -> float | None:
        return grey if self._likeness else None

    def unlike(self, distance: float | None) -> bool:
        return distance is not None and distance > 0.9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images of growing brightness, and one that breaks off."""
    for number, level in enumerate((0, 90, 178, 255)):
        Image.fromarray(np.full((16, 16), level, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    return tmp_path


def test_rates_scores_and_distances(folder: Path) -> None:
    report = site_report(cast("Model", _Played(likeness=True)), open_data(folder, "unlabelled"))
    assert (report.images, report.unreadable) == (4, 1)
    effusion, normal = report.findings
    assert (effusion.possible, effusion.stated) == (0.75, 0.5)
    assert effusion.title == "Pleural effusion"
    assert effusion.scores[2] == pytest.approx((90 + 178) / 255 / 2, abs=1e-3)
    assert normal.stated == 0.5
    assert (report.any_abnormal, report.many_abnormal) == (0.5, 0.0)
    assert report.distances is not None
    assert report.distances.unlike == 0.25
    document = report.as_json()
    assert document["findings"][0]["label"] == "effusion"
    assert document["distances"]["threshold"] == 0.9


def test_a_package_without_a_measure_says_so(folder: Path) -> None:
    report = site_report(cast("Model", _Played(likeness=False)), open_data(folder, "unlabelled"))
    assert report.distances is None


def test_a_folder_of_broken_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DataError, match="none of the images can be read"):
        site_report(cast("Model", _Played(likeness=True)), open_data(tmp_path, "unlabelled"))

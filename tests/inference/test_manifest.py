"""The manifest that the developer's guide shows is one."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.findings import Level
from inference.interpret import findings_of
from inference.manifest import FORMAT, Manifest
from inference.package import REQUIRED_FILES, write_package
from inference.placement import Placement

GUIDE = Path(__file__).parents[2] / "docs" / "developer-guide.md"


@pytest.fixture
def shown() -> dict[str, Any]:
    (block,) = re.findall(r"```toml\n(format = .*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return tomllib.loads(block)


def test_the_guides_manifest_is_read_and_means_what_the_guide_says(shown: dict[str, Any], tmp_path: Path) -> None:
    manifest = Manifest.model_validate_json(json.dumps(shown))
    assert manifest.format == FORMAT
    package = write_package(tmp_path / "example", manifest, dict.fromkeys(REQUIRED_FILES, b""))
    heat = np.full((1, 24, 24, 1), -9.0, np.float32)
    heat[0, 12, 12, 0] = 2.0
    reads, conditions = np.array([[0.0, 0.0, 4.0]], np.float32), np.array([[1.0, 0.0]], np.float32)
    outputs = [reads, conditions, heat, np.full((1, 24, 24, 4), 0.3, np.float32)]
    opacity, covid = findings_of(package, outputs, Placement.fit((500, 500), (384, 384)))
    assert (opacity.level, len(opacity.boxes)) == (Level.PRESENT, 1)
    assert opacity.score > 0.1, "from here on the pattern on top of it counts whole"
    assert covid.score == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_what_is_not_there_has_no_name(manifest: Manifest, rich_manifest: Manifest) -> None:
    assert manifest.detector("normal") is None
    assert rich_manifest.head("conditions").names == ("effusion", "covid")
    with pytest.raises(KeyError):
        rich_manifest.head("classes")
    with pytest.raises(KeyError):
        rich_manifest.finding("mass")

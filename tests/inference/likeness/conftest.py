"""A package of one network that has a measure of likeness."""

from pathlib import Path

import numpy as np
import pytest

from inference.likeness.measure import LearntFeatures
from inference.manifest import EvidenceSpec, LikenessSpec, Manifest, ShareSpec
from inference.package import LIKENESS, REQUIRED_FILES, ModelPackage, write_package

LEARNT = LearntFeatures(
    mean=np.zeros(4, np.float32), directions=np.eye(4, 2, dtype=np.float32), deviations=np.ones(2, np.float32), rest=1.0
)


@pytest.fixture
def likeness() -> LikenessSpec:
    """A scale on which a distance of 1 is in the middle."""
    return LikenessSpec(quantiles=(0.0, 1.0, 2.0), threshold=0.9, images=3, sources=("here",), features=3)


@pytest.fixture
def measured_package(tmp_path: Path, manifest: Manifest, likeness: LikenessSpec) -> ModelPackage:
    """The tiny package with a fourth output, four features that are at 0 in what was learnt; all it finds is stated."""
    none = ShareSpec(calls=0, images=100)
    findings = tuple(
        finding.model_copy(
            update={
                "evidence": EvidenceSpec(
                    point=finding.points.specific, images=100, positives=50, calls=50, right=50, normals=none,
                    elsewhere=none, source="tests",
                )
            }
        )
        for finding in manifest.findings
    )  # fmt: skip
    changed = manifest.model_copy(update={"likeness": likeness, "findings": findings})
    files = {name: name.encode() for name in REQUIRED_FILES}
    return write_package(tmp_path / "measured", changed, files | {LIKENESS: LEARNT.to_bytes()})

"""What ``package.toml`` says: the manifests of format 2, for one network and for an ensemble of networks.

A network takes (1, rows, columns, 1) float32 from 0 to 1, as ``pixels.to_model_input`` makes it, and answers with
heads (vectors of logits) and, where it is a detector too, with a heat map and a box map. A finding's probability
follows from one class of one head and, if wished, from the best logit of one channel of the heat map.
:mod:`inference.verdict.manifest` says what that of a verdict network says.
"""

from inference.manifest.consistency import head_problems
from inference.manifest.manifests import (
    FORMAT,
    MOST_MEMBERS,
    AnyManifest,
    EnsembleManifest,
    Manifest,
    PackageManifest,
)
from inference.manifest.tables import (
    BoxCalibration,
    CodeSpec,
    DetectorSpec,
    EnsembleDetector,
    EvidenceSpec,
    FileName,
    FindingCalibration,
    FindingSpec,
    HeadSpec,
    InputSpec,
    LikenessScale,
    LikenessSpec,
    MapsSpec,
    MemberSpec,
    PointsSpec,
    Probability,
    ReportedFinding,
    ScoreMapSpec,
    Sha256,
    ShareSpec,
    Table,
)

__all__ = [
    "FORMAT", "MOST_MEMBERS", "AnyManifest", "BoxCalibration", "CodeSpec", "DetectorSpec", "EnsembleDetector",
    "EnsembleManifest", "EvidenceSpec", "FileName", "FindingCalibration", "FindingSpec", "HeadSpec", "InputSpec",
    "LikenessScale", "LikenessSpec", "Manifest", "MapsSpec", "MemberSpec", "PackageManifest", "PointsSpec",
    "Probability", "ReportedFinding", "ScoreMapSpec", "Sha256", "ShareSpec", "Table", "head_problems",
]  # fmt: skip

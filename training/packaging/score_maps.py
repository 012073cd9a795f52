"""Say in a package which findings have a score map: those whose map was measured to beat the best constant point.

::

    python -m benchmarks.maps --data DATA --outside DATA/more
    python -m training.packaging.score_maps inference/packages/chest-default benchmarks/results/maps.json

Nothing else of the package changes.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.errors import CxrnodeError, DataError
from inference.findings import MapKind
from inference.manifest import ReportedFinding, ScoreMapSpec
from inference.package import AnyPackage, ModelPackage, load_package, write_ensemble, write_package
from training.evaluation.package_identity import is_measured_on

Figures = Mapping[str, Any]


def with_maps(folder: Path, figures: Figures) -> AnyPackage:
    """Write the package anew with the maps that the figures of ``benchmarks.maps`` speak for; return it.

    Raises
    ------
    DataError
        When the figures are of other networks.
    """
    package = load_package(folder)
    manifest = package.manifest
    if not is_measured_on(package, figures):
        raise DataError(
            f"the figures are not of the networks of {manifest.name} {manifest.version}: measure this package first"
        )
    own: dict[str, bytes | Path] = {name: (folder / name).read_bytes() for name in manifest.files if "/" not in name}
    findings = [
        finding.model_copy(update={"map": spec_of(finding, figures["findings"].get(finding.label, {}))})
        for finding in manifest.findings
    ]
    changed = {"findings": tuple(findings)}
    if isinstance(package, ModelPackage):
        return write_package(folder, package.manifest.model_copy(update=changed), own)
    folders = [member.folder for member in package.members]
    return write_ensemble(folder, package.manifest.model_copy(update=changed), folders, own)


def spec_of(finding: ReportedFinding, measured: Mapping[str, Any]) -> ScoreMapSpec | None:
    """Return the map of a finding; None where it was not measured, or does not beat the best constant point."""
    heat = measured.get(MapKind.HEAT)
    if heat is None or not finding.boxes or not heat["margin"]["interval"][0] > 0:
        return None
    return ScoreMapSpec(
        kind=MapKind.HEAT,
        images=heat["images"],
        pointing=heat["pointing"]["value"],
        constant=heat["constant"]["value"],
        margin_low=heat["margin"]["interval"][0],
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="training.packaging.score_maps", description="Say which findings have a score map."
    )
    parser.add_argument("package", type=Path, help="the package's folder; it is replaced")
    parser.add_argument("figures", type=Path, help="what benchmarks.maps measured of it")
    options = parser.parse_args(arguments)
    try:
        package = with_maps(options.package, json.loads(options.figures.read_text(encoding="utf-8")))
    except (CxrnodeError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    mapped = [finding.label for finding in package.manifest.findings if finding.map]
    sys.stdout.write(f"score maps: {', '.join(mapped) or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Which package metrics were measured on, so that a reader can tell whether they belong to its networks.

A package gets a new version when its evidence, points or words change, with the networks as they were. Metrics of the
networks alone stay true then.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from inference.package import CARD, FIGURES, AnatomyPackage, AnyKindOfPackage, VerdictPackage

_DESCRIPTIONS = frozenset({CARD, FIGURES})


def networks_digest(package: AnyKindOfPackage) -> str:
    """Return a SHA-256, hexadecimal, over the files of a package's networks: weights, and what they learnt from lies.

    Cards, figures and manifests do not change it.
    """
    if isinstance(package, VerdictPackage | AnatomyPackage):
        files = [package.manifest.files]
    else:
        files = [member.manifest.files for member in package.members]
    sums = hashlib.sha256()
    for number, of_network in enumerate(files, 1):
        for name, digest in sorted(of_network.items()):
            if name not in _DESCRIPTIONS:
                sums.update(f"{number}/{name} {digest}\n".encode())
    return sums.hexdigest()


def package_identity(package: AnyKindOfPackage) -> dict[str, str]:
    """Return name, version and :func:`networks_digest` of a package, as results of benchmarks hold them."""
    manifest = package.manifest
    return {"name": manifest.name, "version": manifest.version, "networks": networks_digest(package)}


def is_measured_on(package: AnyKindOfPackage, results: Mapping[str, Any]) -> bool:
    """Say whether a benchmark's results, which hold a :func:`package_identity`, are of these very networks."""
    identity = results.get("package")
    return isinstance(identity, Mapping) and identity.get("networks") == networks_digest(package)

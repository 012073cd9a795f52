"""Results name the networks that they were measured on."""

import json
import shutil
from pathlib import Path

import pytest

from inference.package import BUILT_IN, CARD, LITERT_MODEL, load_package, load_verdict, write_package
from training.evaluation.package_identity import is_measured_on, networks_digest, package_identity

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUILT_IN / "chest-default" / "members" / "1", tmp_path / "network"))


def test_a_new_version_of_the_same_networks_is_another_package_with_the_same_networks(network: Path) -> None:
    before = load_package(network)
    files: dict[str, bytes | Path] = {name: network / name for name in before.manifest.files}
    files[CARD] = b"new words"
    after = write_package(network.parent / "new", before.manifest.model_copy(update={"version": "9.0.0"}), files)
    assert after.digest != before.digest
    assert package_identity(after) == package_identity(before) | {"version": "9.0.0"}
    assert is_measured_on(after, {"package": package_identity(before)})


def test_other_weights_are_other_networks(network: Path) -> None:
    package = load_package(network)
    other = package.manifest.model_copy(update={"files": dict(package.manifest.files) | {LITERT_MODEL: "0" * 64}})
    changed = type(package)(package.folder, other, package.digest)
    assert networks_digest(changed) != networks_digest(package)
    assert not is_measured_on(changed, {"package": package_identity(package)})


def test_an_ensemble_is_more_than_its_first_network() -> None:
    package = load_package("chest-default")
    assert networks_digest(package) != networks_digest(package.members[0])


@pytest.mark.parametrize("results", [{}, {"package": "chest-default 1.2.0"}, {"package": {"version": "1.2.0"}}])
def test_results_that_name_no_networks_are_of_none(results: dict[str, object]) -> None:
    assert not is_measured_on(load_package("chest-default"), results)


@pytest.mark.parametrize("name", ["likeness", "maps", "stated"])
def test_the_recorded_results_are_of_the_shipped_networks(name: str) -> None:
    assert is_measured_on(load_package("chest-default"), json.loads((RESULTS / f"{name}.json").read_text()))


def test_the_recorded_results_of_the_verdict_are_of_the_shipped_network() -> None:
    assert is_measured_on(load_verdict("verdict"), json.loads((RESULTS / "verdict.json").read_text()))

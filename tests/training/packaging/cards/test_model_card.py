"""The card says in plain words where a finding's own answer is not used."""

import json
from pathlib import Path
from typing import Any

import pytest

from inference.manifest import FindingSpec, Manifest
from inference.package import FIGURES, load_package
from training.packaging.cards.model_card import card

PACKAGE = load_package("chest-default")
FIGURES_THERE: dict[str, Any] = json.loads(Path(PACKAGE.path(FIGURES)).read_text(encoding="utf-8"))
SAID = "**Switched off:** the network's own answer ranked the validation pictures the wrong way round and is not used"


def _with(network: Manifest, label: str, **calibration: float) -> Manifest:
    def changed(spec: FindingSpec) -> FindingSpec:
        numbers = {"class_": 1.0, "heat": 0.0} | (calibration if spec.label == label else {})
        return spec.model_copy(update={"calibration": spec.calibration.model_copy(update=numbers)})

    return network.model_copy(update={"findings": tuple(changed(spec) for spec in network.findings)})


@pytest.fixture
def network() -> Manifest:
    return PACKAGE.members[0].manifest


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if "Switched off" in line]


def test_an_answer_that_was_switched_off_is_said_to_be_and_what_is_left(network: Manifest) -> None:
    (line,) = _lines(card(_with(network, "covid19", class_=0.0), FIGURES_THERE))
    assert SAID in line
    assert "COVID-19" in line
    assert line.endswith(
        "what is left is how often it stood on the validation pictures, and how likely lung opacity is."
    )
    (line,) = _lines(card(_with(network, "mass", class_=0.0), FIGURES_THERE))
    assert line.endswith("the same number for every picture.")


def test_an_answer_that_counts_is_not(network: Manifest) -> None:
    assert not _lines(card(_with(network, "covid19"), FIGURES_THERE))
    assert not _lines(card(_with(network, "lung_opacity", class_=0.0, heat=1.0), FIGURES_THERE))


def test_of_an_ensemble_it_is_said_in_how_many_networks(network: Manifest) -> None:
    members = [_with(network, "covid19", class_=0.0), _with(network, "covid19")]
    (line,) = _lines(card(PACKAGE.manifest, FIGURES_THERE, members))
    assert "**Switched off:** the own answer of 1 of the 2 networks ranked" in line
    assert not _lines(card(PACKAGE.manifest, FIGURES_THERE))

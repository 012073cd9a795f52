"""The catalogue's codes say what the Standard's dictionary says, fit their attributes, and sit at sensible places."""

import dataclasses
from typing import Any

import pytest
from pydicom.sr._concepts_dict import concepts

from config.errors import PackageError
from inference.findings import Code
from training.recipe.catalogue import CATALOGUE, CHEST, HEART, LOCAL_SCHEME, LUNG, PLEURA, Entry, entry

EXPECTED = {
    "normal", "lung_opacity", "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia",
    "pneumothorax", "covid19", "covid19_negative",
}  # fmt: skip
STANDARD = {"46621007": "Atelectasis", "8186001": "Cardiomegaly", "233604007": "Pneumonia"}
"""SNOMED CT concepts that pydicom's dictionary lacks."""


def meanings(code: Code) -> set[str]:
    """What pydicom's dictionary says a code means."""
    dictionary: Any = concepts[code.scheme]
    return {values[code.value][0] for values in dictionary.values() if code.value in values}


def codes() -> list[Code]:
    return sorted({code for one in CATALOGUE.values() for code in (one.code, one.site)}, key=lambda code: code.value)


def test_every_label_of_the_packages_is_there() -> None:
    assert set(CATALOGUE) == EXPECTED
    assert all(label == one.label for label, one in CATALOGUE.items())


@pytest.mark.parametrize("code", codes(), ids=lambda code: code.meaning)
def test_a_code_means_what_the_dictionary_says_and_fits_its_attributes(code: Code) -> None:
    assert 0 < len(code.value) <= 16
    assert 0 < len(code.scheme) <= 16
    assert 0 < len(code.meaning) <= 64
    if code.scheme == LOCAL_SCHEME:
        return
    assert code.meaning in (meanings(code) or {STANDARD[code.value]})


def test_no_two_findings_share_a_code_or_a_title() -> None:
    assert len({(one.code.scheme, one.code.value) for one in CATALOGUE.values()}) == len(CATALOGUE)
    assert len({one.title for one in CATALOGUE.values()}) == len(CATALOGUE)


def test_findings_sit_where_they_belong() -> None:
    sites = {label: one.site for label, one in CATALOGUE.items()}
    assert sites["cardiomegaly"] == HEART
    assert sites["effusion"] == sites["pneumothorax"] == PLEURA
    assert sites["normal"] == CHEST
    rest = {"cardiomegaly", "effusion", "pneumothorax", "normal"}
    assert {site for label, site in sites.items() if label not in rest} == {LUNG}


def test_only_good_news_is_not_abnormal() -> None:
    assert {label for label, one in CATALOGUE.items() if not one.abnormal} == {"normal", "covid19_negative"}


def test_covid_is_a_pattern_and_never_a_diagnosis() -> None:
    for label in ("covid19", "covid19_negative"):
        one = CATALOGUE[label]
        assert "pattern" in one.title.lower()
        assert one.code.meaning == one.title
        assert one.code.scheme == LOCAL_SCHEME
        assert "infection" in one.note


@pytest.mark.parametrize("one", CATALOGUE.values(), ids=CATALOGUE)
def test_an_entry_is_one_whole_sentence(one: Entry) -> None:
    for text in (one.sentence, one.note or "None."):
        assert text[0].isupper()
        assert text.endswith(".")
        assert text.count(". ") == 0


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOGUE["normal"] = CATALOGUE["mass"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        CATALOGUE["normal"].title = "x"  # type: ignore[misc]


def test_an_unknown_label_is_refused_with_those_there_are() -> None:
    assert entry("mass") is CATALOGUE["mass"]
    with pytest.raises(PackageError, match="'fracture' is not in the catalogue; it has normal"):
        entry("fracture")

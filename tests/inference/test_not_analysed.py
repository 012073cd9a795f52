"""Reasons by code and values, and their words in every language."""

import re

import pytest

from config.language.translation import Language, speaking
from inference.not_analysed import _WORDS, NotAnalysed, ReasonCode, reason_words

FRAMES = NotAnalysed(ReasonCode.FRAMES, {"frames": 3})


def example(code: ReasonCode) -> NotAnalysed:
    """Return a reason with a value for each of its placeholders."""
    return NotAnalysed(code, dict.fromkeys(re.findall(r"%\((\w+)\)s", _WORDS[code][1]), 7))


@pytest.mark.parametrize("code", ReasonCode)
def test_every_code_has_a_kind_and_words_in_every_language(code: ReasonCode) -> None:
    assert set(_WORDS) == set(ReasonCode)
    reason = example(code)
    said = {}
    for chosen in Language:
        with speaking(chosen):
            said[chosen] = reason.words
            assert reason.because == said[Language.ENGLISH], "the words on record are English whatever is spoken"
    assert len(set(said.values())) == len(Language)
    assert all(("7" in words) is bool(reason.values) for words in said.values() if "8" not in words)


def test_terms_among_the_values_are_translated_and_lists_are_joined() -> None:
    with speaking(Language.GERMAN):
        assert NotAnalysed(ReasonCode.MODALITY, {"kind": "a mammogram"}).words == (
            "es ist eine Mammografie, keine Röntgenaufnahme"
        )
        cut = NotAnalysed(ReasonCode.CUT, {"parts": ["one side", "the lower part"]})
        assert cut.words.endswith("es fehlt: eine Seite, der untere Teil")


def test_a_reason_on_record_is_worded_by_its_code_and_an_old_one_stands_as_it_is() -> None:
    assert reason_words("it held 3 frames then", "frames", {"frames": 3}) == "it held 3 frames then"
    with speaking(Language.GERMAN):
        assert reason_words(FRAMES.because, "frames", {"frames": 3}) == FRAMES.words
        assert reason_words("it holds 3 frames", None, None) == "it holds 3 frames"
        assert reason_words("it is a lateral view; the model reads frontal views", None, None).startswith("es ist")


@pytest.mark.parametrize(("code", "values"), [("of-a-later-version", {}), ("frames", {"count": 3}), ("frames", None)])
def test_what_this_version_cannot_word_stands_as_it_was_recorded(code: str, values: dict[str, int] | None) -> None:
    with speaking(Language.GERMAN):
        assert reason_words("it holds 3 frames", code, values) == "it holds 3 frames"

"""Terms are found as whole words, however they are written."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.eligibility.region_terms import _PARTS, REGION_TERMS
from inference.eligibility.terms import Terms, is_placeholder, words
from inference.eligibility.view_terms import _VIEWS, DESCRIPTION_TERMS, POSITION_TERMS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()), ("Chest p.a.", ("CHEST", "PA")), ("CHEST_PA", ("CHEST", "PA")), ("A-P", ("AP",)), ("P->A", ("PA",)),
        ("PA1", ("PA", "1")), ("PA/LAT", ("PA", "LAT")), ("Thórax", ("THORAX",)), ("ＰＡ\0 ", ("PA",)),
        ("L-L", ("LL",)),
        ("胸部PA", ("胸", "部", "PA")), ("ﾃﾞｸﾋﾞﾀｽ", words("デクビタス")), ("Fuß", ("FUSS",)),
        ("боковой", words("БОКОВОИ")),
        ("A/P/L", ("AP", "L")), ("Group A.P.O.", ("GROUP", "A", "P", "O")),
    ],
)  # fmt: skip
def test_a_text_is_cut_into_plain_words(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


def test_the_longest_term_counts_and_a_term_has_one_meaning() -> None:
    table = Terms([("lateral", "lateral"), ("lateral decubitus", "decubitus"), ("c arm", None), ("arm", "arm")])
    assert table.find("left LATERAL decubitus, lateral; C-arm") == ("decubitus", "lateral")
    with pytest.raises(ValueError, match="two meanings"):
        Terms([("PA", 1), ("p.a.", 2)])
    with pytest.raises(ValueError, match="empty"):
        Terms([("-", 1)])


@pytest.mark.parametrize(
    "text", ["PAEDIATRIC", "PLATE", "CAP", "SPARE PLATE", "LATERALITY", "COLLATERAL", "SPA", "BLOCKLAT"]
)
def test_parts_of_words_are_no_terms(text: str) -> None:
    assert DESCRIPTION_TERMS.find(text) == ()
    assert POSITION_TERMS.find(text) == ()


_VIEW_TERMS = [
    (term, view) for view, languages in _VIEWS.items() for terms in languages.values() for term in terms if view
]
_PART_TERMS = [
    (term, part) for part, languages in _PARTS.items() for terms in languages.values() for term in terms if part
]
_PADDING = st.text(" \0\t.,;:()[]_/-", max_size=3)


@st.composite
def _spellings(draw: st.DrawFn, term: str) -> str:
    cased = draw(st.sampled_from([str.upper, str.lower, str.title, str]))(term)
    form = draw(st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
    return draw(_PADDING) + unicodedata.normalize(form, cased) + draw(_PADDING)


@given(st.data())
def test_a_term_means_the_same_in_any_case_padding_and_form(data: st.DataObject) -> None:
    term, view = data.draw(st.sampled_from(_VIEW_TERMS))
    spelt = data.draw(_spellings(term))
    assert set(DESCRIPTION_TERMS.find(spelt)) == {view}
    assert set(POSITION_TERMS.find(spelt)) == {view}
    term, part = data.draw(st.sampled_from(_PART_TERMS))
    assert set(REGION_TERMS.find(data.draw(_spellings(term)))) == {part}


@given(st.sampled_from(_VIEW_TERMS), st.text("ABCXYZabcxyzéß", min_size=1, max_size=3))
def test_a_longer_latin_word_is_another_word(entry: tuple[str, object], more: str) -> None:
    word = words(entry[0])[0]
    if word.isascii() and (longer := word + words(more)[0]) not in {words(term)[0] for term, _ in _VIEW_TERMS}:
        assert DESCRIPTION_TERMS.find(longer) == ()


@given(st.text())
def test_no_text_breaks_the_search(text: str) -> None:
    assert words(" ".join(words(text))) is not None
    assert len(DESCRIPTION_TERMS.find(text)) <= len(words(text))
    REGION_TERMS.find(text)


def test_placeholders_stand_for_nothing() -> None:
    assert all(map(is_placeholder, ("", " ", "-", "unknown", "N/A", "NOT SPECIFIED", "\0")))
    assert not any(map(is_placeholder, ("PA", "ERECT", "CHEST")))

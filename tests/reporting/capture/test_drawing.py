"""What captures are drawn with: no box stands for a letter, whatever the name."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.capture.drawing import drawable, drawn_name, font, shorten, wrap
from tests.accounts import finding

NO_CHARACTER = "\uffff"


@pytest.mark.parametrize("name", ["Épanchement pleural", "Größe ñ ç ã œ", "Πνευμοθώρακας", "Пневмоторакс Ёїѓ"])
@pytest.mark.parametrize("weight", ["Regular", "Medium", "Bold"])
def test_latin_greek_and_cyrillic_are_drawn_in_every_weight(name: str, weight: str) -> None:
    assert drawable(name) == name
    face = font(weight, 24)
    box = bytes(face.getmask(NO_CHARACTER))
    assert all(bytes(face.getmask(letter)) != box for letter in name if letter != " ")


def test_a_finding_whose_name_cannot_be_drawn_is_called_by_its_label() -> None:
    plain = finding("lung_opacity", 0.9)
    named = replace(plain, code=replace(plain.code, meaning="肺野の陰影"))
    assert drawn_name(named) == "Lung opacity"
    assert drawn_name(replace(plain, code=replace(plain.code, meaning="Сгущение"))) == "Сгущение"


@given(st.text(max_size=30))
def test_no_box_is_drawn_for_any_text(text: str) -> None:
    face = font("Regular", 24)
    box = bytes(face.getmask(NO_CHARACTER))
    shown = [*wrap(text, face, 400), shorten(text, face, 400)]
    for letter in "".join(shown):
        assert letter.isascii() or bytes(face.getmask(letter)) != box

"""The fonts of captures: no box stands for a letter, whatever the name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from reporting.capture.fonts import drawable, drawn_name, font, shorten, wrap
from tests.accounts import finding

NO_CHARACTER = "\uffff"
EUROPEAN = ("Épanchement pleural", "Größe ñ ç ã œ", "Πνευμοθώρακας", "Пневмоторакс Ёїѓ")
EAST_ASIAN = ("肺野の陰影", "気胸（右）", "肺部阴影", "胸腔積液", "폐 음영", "폐렴 COVID-19", "気胸 Größe Ω Ж")


def box_masks(weight: str) -> set[bytes]:
    """The boxes for what is no character: Roboto's, and the East Asian font's."""
    face = font(weight, 24)
    return {bytes(face.getmask(NO_CHARACTER)), bytes(face.getmask(f"胸{NO_CHARACTER}"))}


@pytest.mark.parametrize("name", [*EUROPEAN, *EAST_ASIAN])
@pytest.mark.parametrize("weight", ["Regular", "Medium", "Bold"])
def test_latin_greek_cyrillic_and_east_asian_are_drawn_in_every_weight(name: str, weight: str) -> None:
    assert drawable(name) == name
    face, boxes = font(weight, 24), box_masks(weight)
    assert all(bytes(face.getmask(letter)) not in boxes for letter in name if letter != " ")


def test_every_kana_hangul_and_common_ideograph_is_drawn() -> None:
    for first, last in ((0x3041, 0x3094), (0x30A1, 0x30F6), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3)):
        letters = "".join(map(chr, range(first, last + 1, 1 if last < 0x4E00 else 97)))
        assert drawable(letters) == letters


def test_a_text_is_measured_in_the_font_that_draws_it() -> None:
    face = font("Medium", 24)
    for text in ("Opacity", "肺野の陰影 (Opacity)"):
        canvas = Image.new("L", (600, 60))
        ImageDraw.Draw(canvas).text((4, 4), text, fill=255, font=face)
        columns = np.nonzero(np.asarray(canvas).any(axis=0))[0]
        assert abs(columns[-1] - 4 - face.getlength(text)) <= 4


def test_a_finding_whose_name_cannot_be_drawn_is_called_by_its_label() -> None:
    plain = finding("lung_opacity", 0.9)
    named = replace(plain, code=replace(plain.code, meaning="ความทึบของปอด"))
    assert drawn_name(named) == "Lung opacity"
    for name in ("Сгущение", "肺野の陰影"):
        assert drawn_name(replace(plain, code=replace(plain.code, meaning=name))) == name


def test_ideographs_are_broken_between_and_hangul_at_spaces() -> None:
    face = font("Regular", 20)
    lines = wrap("右下肺野に、淡い陰影を認める。", face, 100)
    assert "".join(lines) == "右下肺野に、淡い陰影を認める。"
    assert len(lines) > 2
    assert all(face.getlength(line) <= 100 and line[0] not in "、。" for line in lines)
    assert wrap("오른쪽 폐 음영", face, face.getlength("오른쪽 폐") + 1) == ["오른쪽 폐", "음영"]


@given(st.text(max_size=30))
def test_no_box_is_drawn_for_any_text(text: str) -> None:
    face = font("Regular", 24)
    boxes = box_masks("Regular")
    shown = [*wrap(text, face, 400), shorten(text, face, 400)]
    for letter in "".join(shown):
        assert letter.isascii() or bytes(face.getmask(letter)) not in boxes

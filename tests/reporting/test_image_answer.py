"""What is said of one image outside of any study."""

import io
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from inference.findings import (
    Box,
    Code,
    Finding,
    ImageAnalysis,
    ModelIdentity,
    OperatingPoints,
    Remark,
    RemarkKind,
)
from inference.not_analysed import NotAnalysed, ReasonCode
from inference.pixels import Picture
from reporting.image_answer import answer_lines, draw_map_overlay, draw_overlay, mapped
from reporting.words import NOTHING_STATED, SCORED_ONLY
from tests.accounts import mapped_findings

MODEL = ModelIdentity("tiny", "1.0.0", "ab" * 32, "steady 1 cpu")
WHEN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
REMARK = Remark(RemarkKind.NO_HEADER, "Nobody said whose image it is.")


def finding(label: str, score: float, *, stated: bool) -> Finding:
    points = OperatingPoints(0.2, 0.6)
    boxes = (Box(10, 10, 60, 80, score, points.level(score)),) if stated else ()
    code = Code("1", "DCM", label.capitalize())
    return Finding(label, code, code, score, points.level(score), points, abnormal=True, boxes=boxes, stated=stated)


def test_what_is_stated_comes_first_and_scored_findings_get_no_word() -> None:
    analysis = ImageAnalysis((finding("mass", 0.9, stated=False), finding("opacity", 0.8, stated=True)), (REMARK,))
    lines = answer_lines(analysis)
    assert lines == ["Opacity present", "Opacity: present (80 %), 1 region marked", SCORED_ONLY, REMARK.text[:-1]]
    assert not any("Mass" in line for line in lines)


def test_where_nothing_is_stated_that_is_said_once() -> None:
    lines = answer_lines(ImageAnalysis((finding("mass", 0.9, stated=False),)))
    assert [line.lower() for line in lines] == [NOTHING_STATED]


def test_a_refusal_is_a_sentence() -> None:
    refused = ImageAnalysis(NotAnalysed(ReasonCode.LATERAL), (REMARK,))
    why = "Not analysed because it is a lateral view; the model reads frontal views"
    assert answer_lines(refused) == [why, REMARK.text[:-1]]


def test_an_overlay_is_a_png_of_bounded_size_on_which_something_is_drawn() -> None:
    image = Picture(np.full((300, 200), 0.5, np.float32))
    drawn = draw_overlay(image, ImageAnalysis((finding("opacity", 0.8, stated=True),)), MODEL, WHEN, 600)
    with Image.open(io.BytesIO(drawn)) as png:
        assert png.format == "PNG"
        assert max(png.size) <= 600
        assert len(set(np.asarray(png.convert("RGB")).reshape(-1, 3).view("u1,u1,u1").ravel().tolist())) > 3


def test_a_map_overlay_is_laid_out_as_the_overlay_and_is_made_smaller_where_it_is_shown_smaller() -> None:
    image = Picture(np.full((300, 200), 0.5, np.float32))
    analysis = ImageAnalysis(mapped_findings())
    (entry,) = mapped(analysis)
    sizes = []
    for content in (
        draw_overlay(image, analysis, MODEL, WHEN, 600),
        draw_map_overlay(image, analysis, entry, MODEL, WHEN, 600),
        draw_map_overlay(image, analysis, entry, MODEL, WHEN, 600, shown_side=300),
    ):
        with Image.open(io.BytesIO(content)) as png:
            sizes.append(png.size)
    assert sizes[0] == sizes[1]
    assert max(sizes[2]) == 300
    assert mapped(ImageAnalysis(NotAnalysed(ReasonCode.LATERAL))) == []


def test_there_is_no_overlay_of_a_refusal() -> None:
    image = Picture(np.full((300, 200), 0.5, np.float32))
    with pytest.raises(ValueError, match="not analysed"):
        draw_overlay(image, ImageAnalysis(NotAnalysed(ReasonCode.LATERAL)), MODEL, WHEN, 600)

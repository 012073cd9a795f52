"""Putting an image right, and carrying what is found there back to the stored image."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.eligibility import HeaderAnswer, Region, View
from inference.findings import (
    Box,
    Code,
    Finding,
    Level,
    MapKind,
    OperatingPoints,
    RemarkKind,
    ScoreMap,
)
from inference.not_analysed import NotAnalysed, Reason, ReasonCode
from inference.pixels import Picture
from inference.verdict.decide import Kind, Turn, Verdict
from inference.verdict.judge import judge
from inference.verdict.mend import Mending

FRONTAL = Verdict(Kind.FRONTAL, 0.99, sure=True)
turns: st.SearchStrategy[Turn] = st.sampled_from([0, 90, 180, 270])
CODE = Code("1", "99TEST", "Test")


def header(doubt: NotAnalysed | None = None, **said: Any) -> HeaderAnswer:
    """Return the answer of a header that calls the image a frontal chest, or leaves that open."""
    return HeaderAnswer(None, doubt, View.FRONTAL, Region.CHEST, **said)


class Steady:
    """Gives these verdicts, one after the other."""

    def __init__(self, *verdicts: Verdict) -> None:
        self._verdicts = list(verdicts)
        self.seen: list[Picture] = []

    def verdict(self, picture: Picture) -> Verdict:
        self.seen.append(picture)
        return self._verdicts.pop(0)


def stored(rows: int = 30, columns: int = 20) -> Picture:
    return Picture(np.random.default_rng(1).random((rows, columns), np.float32), 1.25)


def finding(*boxes: Box) -> Finding:
    return Finding("opacity", CODE, CODE, 0.9, Level.PRESENT, OperatingPoints(0.1, 0.5), abnormal=True, boxes=boxes)


@given(turns, st.booleans(), st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_pixel_of_the_image_put_right_is_where_it_came_from(
    turned: Turn, mirrored: bool, rows: int, columns: int, data: st.DataObject
) -> None:
    upright = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    turned_gray = np.rot90(upright[:, ::-1] if mirrored else upright, -turned // 90)  # clockwise
    mending = Mending(
        turned,
        negative=False,
        rows=turned_gray.shape[0],
        columns=turned_gray.shape[1],
        values=(rows, columns),
        mirrored=mirrored,
    )
    mended = mending.apply(Picture(np.ascontiguousarray(turned_gray)))
    assert np.array_equal(mended.gray, upright)
    y, x = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    stored_x, stored_y = mending.to_stored(x + 0.5, y + 0.5)
    assert turned_gray[int(stored_y), int(stored_x)] == upright[y, x]


@given(turns, st.booleans(), st.integers(1, 9), st.integers(1, 9))
def test_a_map_put_back_lies_on_the_same_pixels(turned: Turn, mirrored: bool, rows: int, columns: int) -> None:
    cells = np.arange(rows * columns).reshape(rows, columns) % 256
    found = replace(finding(), map=ScoreMap(MapKind.HEAT, rows, columns, tuple(cells.ravel().tolist())))
    sides = (columns, rows) if turned in {90, 270} else (rows, columns)
    mending = Mending(
        turned, negative=False, rows=sides[0], columns=sides[1], values=(rows, columns), mirrored=mirrored
    )
    (put_back,) = mending.stored_findings((found,))
    assert put_back.map is not None
    assert (put_back.map.rows, put_back.map.columns) == sides
    assert np.array_equal(
        np.reshape(put_back.map.values, sides), np.rot90(cells[:, ::-1] if mirrored else cells, -turned // 90)
    )


@given(turns, st.integers(1, 60), st.integers(1, 60), *[st.floats(0, 1) for _ in range(4)])
def test_a_box_put_back_lies_on_the_same_pixels(
    turned: Turn, rows: int, columns: int, a: float, b: float, c: float, d: float
) -> None:
    values = (columns, rows) if turned in {90, 270} else (rows, columns)
    mending = Mending(turned, negative=False, rows=rows, columns=columns, values=values)
    width, height = (rows, columns) if turned in {90, 270} else (columns, rows)
    (x0, x1), (y0, y1) = sorted([a * width, b * width]), sorted([c * height, d * height])
    (back,) = mending.stored_findings((finding(Box(x0, y0, x1, y1, 0.7, Level.PRESENT)),))
    box = back.boxes[0]
    assert -1e-9 <= box.x0 <= box.x1 <= columns + 1e-9
    assert -1e-9 <= box.y0 <= box.y1 <= rows + 1e-9
    assert (box.x1 - box.x0) * (box.y1 - box.y0) == pytest.approx((x1 - x0) * (y1 - y0), abs=1e-6)
    assert (box.score, back.score, back.level) == (0.7, 0.9, Level.PRESENT)


@given(turns, st.integers(9, 90), st.integers(9, 90), st.sampled_from([2, 4]), st.sampled_from([0.0, 0.25, 0.375]))
def test_a_reduced_image_put_right_lies_where_the_whole_one_does(
    turned: Turn, rows: int, columns: int, reduction: int, lead: float
) -> None:
    gray = np.random.default_rng(1).random((-(-rows // reduction), -(-columns // reduction)), np.float32)
    picture = Picture(gray, 1.25, reduction=reduction, lead=lead, stored_size=(rows, columns))
    mending = Mending.of(Verdict(Kind.TURNED, 0.0, sure=False, turned=turned), picture)
    mended = mending.apply(picture)
    assert mended.gray.shape == mending.values
    tall, wide = rows * 1.25, float(columns)
    if turned in {90, 270}:
        tall, wide = wide, tall
    assert mended.rows * mended.pixel_aspect / mended.columns == pytest.approx(tall / wide)
    corners = {mending.to_stored(x, y) for x in (0, mended.columns) for y in (0, mended.rows)}
    assert corners == {(x, y) for x in (0, columns) for y in (0, rows)}


def test_a_negative_is_inverted_and_its_pixels_keep_their_shape() -> None:
    picture = stored()
    mended = Mending(90, negative=True, rows=30, columns=20, values=(20, 30)).apply(picture)
    assert mended.gray.shape == (20, 30)
    assert mended.pixel_aspect == pytest.approx(1 / 1.25)
    assert mended.gray[0, 0] == pytest.approx(1 - picture.gray[0, -1])


def test_an_upright_image_is_shown_as_it_is() -> None:
    picture = stored()
    judgement = judge(Steady(FRONTAL), picture, header(), mend=True)
    assert judgement.picture is picture
    assert (judgement.refusal, judgement.mending, judgement.remarks) == (None, None, ())
    assert judgement.on_stored((finding(),)) == (finding(),)


def test_a_turned_image_is_refused_unless_the_site_has_it_put_right() -> None:
    turned = Verdict(Kind.TURNED, 0.01, sure=False, turned=90)
    judgement = judge(Steady(turned), stored(), header(), mend=False)
    assert judgement.refusal is not None
    assert judgement.refusal.reason is Reason.VERDICT
    assert "turned by 90 degrees" in judgement.refusal.because


def test_an_image_put_right_is_judged_again_and_the_reader_is_told() -> None:
    turned = Verdict(Kind.TURNED, 0.01, sure=False, turned=270, negative=True)
    network = Steady(turned, FRONTAL)
    judgement = judge(network, stored(), header(), mend=True)
    assert judgement.refusal is None
    assert judgement.verdict is turned
    assert network.seen[1].gray.shape == (20, 30)
    (remark,) = judgement.remarks
    assert remark.kind is RemarkKind.ORIENTATION_MENDED
    assert "turned by 270 degrees clockwise and a negative" in remark.text


def test_an_image_that_is_still_none_after_it_was_put_right_is_refused() -> None:
    negative = Verdict(Kind.NEGATIVE, 0.01, sure=False, negative=True)
    other = Verdict(Kind.OTHER, 0.02, sure=False)
    judgement = judge(Steady(negative, other), stored(), header(), mend=True)
    assert judgement.refusal is not None
    assert "negative" in judgement.refusal.because


@pytest.mark.parametrize("kind", [Kind.LATERAL, Kind.CUT, Kind.EMPTY, Kind.OTHER, Kind.UNCLEAR])
def test_nothing_else_is_put_right(kind: Kind) -> None:
    network = Steady(Verdict(kind, 0.01, sure=False, turned=90))
    assert judge(network, stored(), header(), mend=True).refusal is not None
    assert len(network.seen) == 1


def test_a_mirrored_heart_is_noted_and_analysed() -> None:
    judgement = judge(Steady(replace(FRONTAL, mirrored=True)), stored(), header(), mend=False)
    assert judgement.refusal is None
    assert [remark.kind for remark in judgement.remarks] == [RemarkKind.MIRRORED]


def test_only_a_sure_verdict_settles_what_the_header_leaves_open() -> None:
    doubt = NotAnalysed(ReasonCode.VIEW_SILENT)
    unsure, lateral = replace(FRONTAL, sure=False), Verdict(Kind.LATERAL, 0.01, sure=False)
    assert judge(Steady(FRONTAL), stored(), header(doubt), mend=False).refusal is None
    assert judge(Steady(unsure), stored(), header(doubt), mend=False).refusal is doubt
    refusal = judge(Steady(lateral), stored(), header(doubt), mend=False).refusal
    assert refusal is not None
    assert refusal.reason is Reason.VERDICT


def remarks_of(*verdicts: Verdict, mend: bool) -> list[tuple[RemarkKind, str]]:
    """Return what is said of an image whose header says that it is stored mirrored."""
    judgement = judge(Steady(*verdicts), stored(), header(mirrored=True), mend=mend)
    assert judgement.refusal is None
    return [(remark.kind, remark.text) for remark in judgement.remarks]


@pytest.mark.parametrize("heart", [True, None])
def test_what_the_header_says_of_right_and_left_is_said_in_every_document(heart: bool | None) -> None:
    ((kind, text),) = remarks_of(replace(FRONTAL, mirrored=heart), mend=False)
    assert kind is RemarkKind.MIRRORED
    assert "Patient Orientation says that the image is stored mirrored: the patient's right is on the right" in text


def test_an_image_that_is_mirrored_by_its_header_is_put_right_where_the_site_says_so() -> None:
    network, picture = Steady(replace(FRONTAL, mirrored=True), FRONTAL), stored()
    judgement = judge(network, picture, header(mirrored=True), mend=True)
    assert np.array_equal(judgement.picture.gray, picture.gray[:, ::-1])
    assert network.seen[1] is judgement.picture
    (remark,) = judgement.remarks
    assert remark.kind is RemarkKind.ORIENTATION_MENDED
    assert remark.text.startswith("The stored image is mirrored as its Patient Orientation says; it was put right")
    (back,) = judgement.on_stored((finding(Box(1, 2, 5, 9, 0.7, Level.PRESENT)),))
    assert (back.boxes[0].x0, back.boxes[0].x1) == (15, 19)


@pytest.mark.parametrize("mend", [True, False])
def test_a_header_that_the_heart_contradicts_is_not_followed(mend: bool) -> None:
    network, picture = Steady(replace(FRONTAL, mirrored=False)), stored()
    judgement = judge(network, picture, header(mirrored=True), mend=mend)
    assert judgement.picture is picture
    (remark,) = judgement.remarks
    assert (remark.kind, "uncertain" in remark.text) == (RemarkKind.MIRRORED, True)


def test_a_mirrored_negative_is_put_right_in_both() -> None:
    negative = Verdict(Kind.NEGATIVE, 0.01, sure=False, negative=True)
    ((kind, text),) = remarks_of(negative, FRONTAL, mend=True)
    assert kind is RemarkKind.ORIENTATION_MENDED
    assert "is a negative and mirrored as its Patient Orientation says" in text


def test_of_a_turned_image_its_header_is_not_believed_to_be_mirrored() -> None:
    turned = Verdict(Kind.TURNED, 0.01, sure=False, turned=90)
    (_, mended), (kind, sides) = remarks_of(turned, FRONTAL, mend=True)
    assert "mirrored" not in mended
    assert (kind, "uncertain" in sides) == (RemarkKind.MIRRORED, True)


def test_a_heart_on_the_right_after_the_image_was_put_right_is_said() -> None:
    remarks = remarks_of(FRONTAL, replace(FRONTAL, mirrored=True), mend=True)
    assert [kind for kind, _ in remarks] == [RemarkKind.ORIENTATION_MENDED, RemarkKind.MIRRORED]
    assert "uncertain" in remarks[1][1]


def test_a_doubt_that_the_image_settles_is_said() -> None:
    doubt = NotAnalysed(ReasonCode.VIEW_SILENT)
    words = "View is taken from the image: the header states none"
    judgement = judge(Steady(FRONTAL), stored(), header(doubt, from_image=words), mend=False)
    assert [(remark.kind, remark.text) for remark in judgement.remarks] == [(RemarkKind.FROM_IMAGE, words)]


@pytest.mark.parametrize("kind", [Kind.NEGATIVE, Kind.TURNED])
def test_the_cure_of_an_image_without_a_header_is_not_one_of_a_header(kind: Kind) -> None:
    wrong = Verdict(kind, 0.01, sure=False, turned=90, negative=kind is Kind.NEGATIVE)
    refused = judge(Steady(wrong), stored(), header(is_dicom=False), mend=False).refusal
    assert refused is not None
    assert not any(word in refused.because for word in ("photometric", "send"))

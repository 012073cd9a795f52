"""Where regions lie: the patient's side and the zone, and nothing where it is not sure."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.language.translation import Language, speaking
from inference.findings import Code, Remark, RemarkKind
from reporting.account import AnalysedImage
from reporting.claims import claims_of, study_claims
from reporting.impression import summarise
from reporting.source import describe
from reporting.zones import direction_to_left, finding_place, image_places, lungs_of, study_place
from tests.accounts import COLUMNS, POINTS, ROWS, account, finding, good_header

Region = tuple[float, float, float, float, float]


def region(x: float, y: float, height: float = 0.02) -> Region:
    """Return a region around a place, all in shares of the image."""
    half = height * ROWS / 2
    return x * COLUMNS - 5, y * ROWS - half, x * COLUMNS + 5, y * ROWS + half, 0.9


def image(*regions: Region, to_left: Any = 1, **changes: Any) -> AnalysedImage:
    source = describe(good_header())
    return AnalysedImage(source, (finding("lung_opacity", 0.9, *regions, **changes),), to_left=to_left)


def place(*regions: Region, **changes: Any) -> str:
    made = image(*regions, **changes)
    return finding_place(claims_of(made.findings)[0], made)


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ([region(0.75, 0.2)], "left upper zone"),
        ([region(0.75, 0.46)], "left mid zone"),
        ([region(0.25, 0.7)], "right lower zone"),
        ([region(0.25, 0.35)], "right upper and mid zones"),
        ([region(0.75, 0.6, 0.3)], "left mid and lower zones"),
        ([region(0.75, 0.45, 0.6)], "left lung"),
        ([region(0.75, 0.2), region(0.75, 0.75)], "left lung"),
        ([region(0.75, 0.75), region(0.25, 0.46)], "left lower zone, right mid zone"),
        ([region(0.75, 0.75), region(0.51, 0.46)], ""),
        ([], ""),
    ],
)
def test_side_and_zone(regions: list[Region], words: str) -> None:
    assert place(*regions) == words


def test_sides_are_the_patients() -> None:
    assert place(region(0.75, 0.2), to_left=-1) == "right upper zone"
    assert place(region(0.75, 0.2), to_left=None) == ""


def test_no_zone_is_said_of_what_is_not_in_the_lungs() -> None:
    assert place(region(0.75, 0.6), site=Code("80891009", "SCT", "Heart")) == ""


@pytest.mark.parametrize(
    ("orientation", "mirrored", "direction"),
    [
        (b"L\\F", None, 1), (b"L\\F", False, 1), (b"L\\F", True, None),
        (b"R\\F", None, -1), (b"R\\F", True, -1), (b"R\\F", False, None),
        (b"", False, 1), (b"", None, None), (b"", True, None), (b"F\\L", False, None), (b"L\\H", False, None),
    ],
)  # fmt: skip
def test_a_side_is_said_only_where_header_and_image_agree(
    orientation: bytes, mirrored: bool | None, direction: int | None
) -> None:
    source = describe(good_header(PatientOrientation=orientation))
    assert direction_to_left(source, (), {"mirrored": mirrored}) == direction


def test_an_image_that_was_turned_has_no_place_and_one_nobody_looked_at_only_by_its_header() -> None:
    source = describe(good_header())
    turned = (Remark(RemarkKind.ORIENTATION_MENDED, "The image was turned"),)
    assert direction_to_left(source, turned, {"mirrored": False}) is None
    assert direction_to_left(source, (), None) == 1
    assert direction_to_left(describe(good_header(PatientOrientation=None)), (), None) is None


def study(*images: AnalysedImage) -> str:
    claims = study_claims(finding for image in images for finding in image.findings)
    return study_place(claims[0], images)


def test_a_study_has_the_places_of_all_images_of_which_the_same_is_claimed() -> None:
    sure, unsure = image(region(0.75, 0.75)), image(region(0.25, 0.46))
    (seen,) = unsure.findings
    unsure = replace(unsure, findings=(replace(seen, score=0.5, level=POINTS.level(0.5)),))
    assert study(sure, image(region(0.75, 0.2))) == "left lung"
    assert study(sure, image()) == "left lower zone", "a finding without a region has no place"
    assert study(sure, unsure) == "left lower zone", "what is undetermined there is not present there"
    assert study(sure, image(region(0.25, 0.46), to_left=None)) == ""
    assert study(image(region(0.75, 0.2)), image(region(0.25, 0.7), to_left=-1)) == "left lung"
    assert image_places(sure) == {"lung_opacity": "left lower zone"}
    assert image_places(image()) == {}


@given(st.floats(0.02, 0.98), st.floats(0.05, 0.95), st.floats(0.02, 0.9))
def test_a_mirrored_image_says_the_same_of_the_mirrored_region(x: float, y: float, height: float) -> None:
    assert place(region(x, y, height)) == place(region(1 - x, y, height), to_left=-1)


def test_headline_and_lines_say_the_place_in_the_language_of_the_site() -> None:
    made = account(analysed=(image(region(0.75, 0.75)),))
    lines = summarise(made)
    assert lines[0].endswith("Lung opacity (left lower zone) present")
    assert "1 region marked (left lower zone)" in lines[1]
    with speaking(Language.GERMAN):
        assert "linkes Unterfeld" in summarise(made)[0]
    several = replace(made, analysed=(image(region(0.75, 0.75)), image(region(0.25, 0.46))))
    lines = summarise(several)
    assert lines[0].endswith("Lung opacity (left lower zone, right mid zone) present")
    assert "left lower zone" in lines[1]
    assert "right mid zone" in lines[2]


def outlined(left: list[float], right: list[float], *, whole: bool = True) -> dict[str, Any]:
    """What is on record of an image whose lungs reach over these shares of it."""
    scale = (COLUMNS, ROWS, COLUMNS, ROWS)
    lungs = {"left_lung": left, "right_lung": right}
    return {
        "anatomy": {
            name: {"whole": whole, "extent": [share * pixels for share, pixels in zip(shares, scale, strict=True)]}
            for name, shares in lungs.items()
        }
    }


HIGH = ([0.5, 0.0, 0.9, 0.3], [0.1, 0.0, 0.45, 0.3])


def test_outlined_lungs_decide_side_and_zone() -> None:
    made = replace(image(region(0.52, 0.27), region(0.3, 0.05)), lungs=lungs_of(1, outlined(*HIGH)))
    assert finding_place(claims_of(made.findings)[0], made) == "left lower zone, right upper zone"
    turned = replace(image(region(0.48, 0.27), to_left=-1), lungs=lungs_of(-1, outlined(HIGH[1], HIGH[0])))
    assert finding_place(claims_of(turned.findings)[0], turned) == ""
    assert lungs_of(-1, outlined(HIGH[1], HIGH[0])) is not None


@pytest.mark.parametrize(
    ("to_left", "verdict"),
    [
        (None, outlined(*HIGH)), (-1, outlined(*HIGH)), (1, outlined(HIGH[1], HIGH[0])),
        (1, outlined(*HIGH, whole=False)), (1, None), (1, {}), (1, {"anatomy": None}),
        (1, {"anatomy": {"left_lung": {"whole": True}, "right_lung": {"whole": True}}}),
    ],
)  # fmt: skip
def test_outlines_that_contradict_the_sides_or_are_not_whole_decide_nothing(to_left: Any, verdict: Any) -> None:
    assert lungs_of(to_left, verdict) is None

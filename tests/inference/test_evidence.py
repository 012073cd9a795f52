"""What may be stated follows from counts, and from nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inference.evidence import LEAST_CALLS, Evidence, Share, may_be_stated, wilson
from inference.manifest import EvidenceSpec
from inference.package import load_package

GOOD = Evidence(0.6, 500, 130, 130, 91, Share(10, 1500), Share(0, 260), "reads")


def test_a_finding_is_stated_where_its_calls_held() -> None:
    assert may_be_stated(GOOD, 0.6, abnormal=True)
    assert may_be_stated(GOOD, 0.7, abnormal=True)


@pytest.mark.parametrize(
    "worse",
    [
        replace(GOOD, right=64),
        replace(GOOD, calls=LEAST_CALLS - 1, right=LEAST_CALLS - 1),
        replace(GOOD, normals=Share(151, 1500)),
        replace(GOOD, elsewhere=Share(27, 260)),
        replace(GOOD, point=0.61),
        None,
    ],
    ids=["half are wrong", "few calls", "many normals", "many elsewhere", "a lower point", "nobody measured"],
)
def test_it_is_scored_only_where_they_did_not(worse: Evidence | None) -> None:
    assert not may_be_stated(worse, 0.6, abnormal=True)


def test_good_news_is_right_on_normals() -> None:
    good = replace(GOOD, normals=Share(1400, 1500))
    assert may_be_stated(good, 0.6, abnormal=False)
    assert not may_be_stated(good, 0.6, abnormal=True)
    assert not may_be_stated(replace(good, elsewhere=Share(28, 154)), 0.6, abnormal=False)


@given(right=st.integers(0, 300), wrong=st.integers(0, 300))
def test_an_interval_holds_its_share(right: int, wrong: int) -> None:
    low, high = wilson(right, right + wrong)
    assert 0 <= low <= high <= 1
    if right + wrong:
        assert low - 1e-12 <= right / (right + wrong) <= high + 1e-12


def test_wilsons_interval_is_the_published_one() -> None:
    """Table I of Newcombe, Statistics in Medicine 17:857 (1998)."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 0) == (0, 1)


@pytest.mark.parametrize("wrong", [{"right": 131}, {"calls": 600}, {"positives": 50}, {"stated": True}])
def test_a_manifest_holds_counts_that_can_be_and_no_verdict_of_its_own(wrong: dict[str, int]) -> None:
    counts = {"point": 0.6, "images": 500, "positives": 130, "calls": 130, "right": 91, "source": "reads",
              "normals": {"calls": 10, "images": 1500}, "elsewhere": {"calls": 0, "images": 260}}  # fmt: skip
    assert EvidenceSpec.model_validate(counts).evidence() == GOOD
    with pytest.raises(ValidationError):
        EvidenceSpec.model_validate(counts | wrong)


def test_the_built_in_package_states_opacity_alone() -> None:
    stated = {
        spec.label
        for spec in load_package("chest-default").manifest.findings
        if spec.evidence and may_be_stated(spec.evidence.evidence(), spec.points.specific, abnormal=spec.abnormal)
    }
    assert stated == {"lung_opacity"}

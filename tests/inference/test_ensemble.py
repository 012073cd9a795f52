"""Networks together: what they share, one set of boxes, and a package that is whole."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from config.errors import PackageError, SettingsError
from config.settings import OperatingPointSettings
from inference.detector import overlap
from inference.ensemble import draft, fuse_boxes
from inference.findings import Box, Level, OperatingPoints
from inference.package import (
    MANIFEST,
    REQUIRED_FILES,
    EnsembleDetector,
    EnsembleManifest,
    EnsemblePackage,
    Manifest,
    ModelPackage,
    PointsSpec,
    load_network,
    load_package,
    with_site_points,
    write_ensemble,
    write_package,
)

SPEC = EnsembleDetector(
    finding="lung_opacity", max_boxes=20, iou=0.4, points=PointsSpec(sensitive=0.3, specific=0.6)
)  # fmt: skip

box = st.builds(
    lambda x, y, w, h, score: Box(x, y, x + w, y + h, score, Level.ABSENT),
    st.floats(0, 500), st.floats(0, 500), st.floats(5, 400), st.floats(5, 400), st.floats(0, 1),
)  # fmt: skip


def apart(boxes: list[Box]) -> list[Box]:
    """Keep boxes as one detector would give them: the surest first, none over another."""
    kept: list[Box] = []
    for entry in sorted(boxes, key=lambda entry: -entry.score):
        if all(overlap(entry, other) <= SPEC.iou for other in kept):
            kept.append(entry)
    return kept


detections = st.lists(box, max_size=5).map(apart)


def corners(entry: Box) -> tuple[float, float, float, float]:
    return entry.x0, entry.y0, entry.x1, entry.y1


@given(detections)
def test_one_networks_boxes_stay_what_they_are(boxes: list[Box]) -> None:
    fused = fuse_boxes([boxes], SPEC)
    assert {(*corners(entry), entry.score) for entry in fused} == {(*corners(entry), entry.score) for entry in boxes}
    assert [entry.level for entry in fused] == [SPEC.points.points().level(entry.score) for entry in fused]


@given(detections, st.integers(2, 5))
def test_networks_that_agree_are_one(boxes: list[Box], networks: int) -> None:
    fused, alone = fuse_boxes([boxes] * networks, SPEC), fuse_boxes([boxes], SPEC)
    assert len(fused) == len(alone)
    for one, other in zip(fused, alone, strict=True):
        assert corners(one) == pytest.approx(corners(other))
        assert one.score == pytest.approx(other.score)


@given(st.lists(detections, min_size=1, max_size=4))
def test_whatever_they_draw_boxes_are_apart_in_order_and_no_surer_than_the_surest(networks: list[list[Box]]) -> None:
    fused = fuse_boxes(networks, SPEC)
    assert [entry.score for entry in fused] == sorted((entry.score for entry in fused), reverse=True)
    everything = [entry for boxes in networks for entry in boxes]
    assert sum(entry.score for entry in fused) <= sum(entry.score for entry in everything) / len(networks) + 1e-9
    for position, entry in enumerate(fused):
        assert 0 <= entry.x0 < entry.x1 <= 900
        assert 0 <= entry.y0 < entry.y1 <= 900
        assert all(overlap(entry, other) <= SPEC.iou for other in fused[:position])


@given(st.lists(detections, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_networks_does_not_matter(networks: list[list[Box]], random: Any) -> None:
    shuffled = networks[:]
    random.shuffle(shuffled)
    one, other = fuse_boxes(networks, SPEC), fuse_boxes(shuffled, SPEC)
    assert sorted(entry.score for entry in one) == pytest.approx(sorted(entry.score for entry in other))


def test_a_box_that_one_of_two_sees_is_half_as_sure() -> None:
    seen, elsewhere = Box(0, 0, 100, 100, 0.9, Level.PRESENT), Box(300, 300, 400, 400, 0.7, Level.PRESENT)
    shifted = Box(0, 0, 100, 60, 0.3, Level.POSSIBLE)
    first, second = fuse_boxes([[seen], [elsewhere, shifted]], SPEC)
    assert corners(first) == pytest.approx((0, 0, 100, (0.9 * 100 + 0.3 * 60) / 1.2))
    assert (first.score, first.level) == (pytest.approx(0.6), Level.PRESENT)
    assert (second.score, second.level) == (pytest.approx(0.35), Level.POSSIBLE)
    assert len(fuse_boxes([[seen], [shifted]], SPEC.model_copy(update={"fuse": 0.61}))) == 1  # still over one another
    apart_enough = Box(0, 0, 100, 45, 0.3, Level.POSSIBLE)
    loose = SPEC.model_copy(update={"iou": 0.5})
    assert len(fuse_boxes([[seen], [apart_enough]], loose)) == 2


def test_no_more_boxes_than_allowed() -> None:
    boxes = [Box(100 * k, 0, 100 * k + 50, 50, 0.5 + k / 100, Level.POSSIBLE) for k in range(6)]
    spec = SPEC.model_copy(update={"max_boxes": 2})
    assert [entry.x0 for entry in fuse_boxes([boxes, boxes], spec)] == [500, 400]


def test_a_draft_has_what_all_members_share(both_manifest: EnsembleManifest) -> None:
    opacity, normal = both_manifest.findings
    assert (opacity.label, opacity.boxes, opacity.points.sensitive) == ("lung_opacity", True, 0.25)
    assert (normal.label, normal.boxes) == ("normal", False)
    (detector,) = both_manifest.detectors
    assert (detector.finding, detector.max_boxes, detector.iou, detector.fuse) == ("lung_opacity", 6, 0.3, 0.5)
    assert detector.points.sensitive == pytest.approx(0.3)


def test_members_that_share_nothing_make_no_ensemble(manifest: Manifest) -> None:
    finding = manifest.findings[1].model_copy(update={"label": "other"})
    stranger = manifest.model_copy(update={"findings": (finding,), "detectors": ()})
    about = dict.fromkeys(("version", "title", "summary", "licence", "intended_use"), "1")
    with pytest.raises(PackageError, match=r"tiny 1\.0\.0, tiny 1\.0\.0: no finding is in all of them"):
        draft([manifest, stranger], name="both", **about)


def test_a_written_ensemble_loads_with_its_members(
    hollow_ensemble: EnsemblePackage, hollow_package: ModelPackage, hollow_rich: ModelPackage
) -> None:
    again = load_package(hollow_ensemble.folder)
    assert again == hollow_ensemble
    assert [member.digest for member in again.members] == [hollow_package.digest, hollow_rich.digest]
    assert [member.name for member in hollow_ensemble.manifest.members] == ["tiny", "rich"]
    expected = {f"members/{n}/{name}" for n in (1, 2) for name in (*REQUIRED_FILES, MANIFEST)}
    assert set(hollow_ensemble.manifest.files) == {"card.md"} | expected
    assert hollow_ensemble.path("card.md").read_bytes() == b"# Both"
    with pytest.raises(PackageError, match=r"is an ensemble; give one of its members, .*hollow_ensemble/members/1"):
        load_network(hollow_ensemble.folder)
    inner = load_network(hollow_ensemble.folder / "members" / "2")
    assert inner.manifest == hollow_rich.manifest


def test_an_ensemble_is_replaced_as_a_whole_or_not_at_all(
    hollow_ensemble: EnsemblePackage, both_manifest: EnsembleManifest, hollow_package: ModelPackage, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(PackageError, match="2 to 20 members; 1 are given"):
        write_ensemble(hollow_ensemble.folder, both_manifest, [hollow_package.folder])
    with pytest.raises(PackageError, match="is an ensemble"):
        write_ensemble(hollow_ensemble.folder, both_manifest, [hollow_package.folder, hollow_ensemble.folder])
    wrong = both_manifest.model_copy(update={"detectors": ()})
    with pytest.raises(PackageError, match="boxes = true but no"):
        write_ensemble(hollow_ensemble.folder, wrong, [hollow_package.folder] * 2)
    assert load_package(hollow_ensemble.folder) == hollow_ensemble
    assert sorted(tmp_path.iterdir()) == before
    again = write_ensemble(hollow_ensemble.folder, both_manifest, [hollow_package.folder] * 2)
    assert again.digest != hollow_ensemble.digest


@pytest.mark.parametrize("name", ["members/1/model.tflite", "members/2/package.toml", "card.md"])
def test_an_altered_or_missing_file_of_a_member_is_named(hollow_ensemble: EnsemblePackage, name: str) -> None:
    (hollow_ensemble.folder / name).write_bytes(b"tampered")
    with pytest.raises(PackageError, match=f"the file {name} was altered"):
        load_package(hollow_ensemble.folder)
    (hollow_ensemble.folder / name).unlink()
    with pytest.raises(PackageError, match=f"the file {name} is missing"):
        load_package(hollow_ensemble.folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["members"].pop(), "needs two members or more; it has 1"),
        (lambda d: d["members"][0].update(version="9"), "members/1 holds tiny 1.0.0, but [[members]] says tiny 9"),
        (lambda d: d["members"].append({"name": "tiny", "version": "1"}), "does not list members/3/package.toml"),
        (lambda d: d["files"].pop("members/1/package.toml"), "does not list members/1/package.toml"),
        (lambda d: d["files"].pop("members/2/model.keras"), "does not list members/2/model.keras"),
        (lambda d: d["files"].update({"members/../secret": "0" * 64}), "files"),
        (lambda d: d["findings"][1].update(label="effusion"), "finding effusion: members/1 (tiny) has none of that"),
        (lambda d: d["findings"][0].update(abnormal=False), "another code, site or abnormal"),
        (lambda d: d["findings"][0]["code"].update(value="1"), "another code, site or abnormal"),
        (lambda d: d["findings"][0].update(label="normal"), "must be unique; normal stands twice"),
        (lambda d: d["findings"][1].update(boxes=True), "finding normal has boxes = true but no [[detectors]]"),
        (lambda d: d["detectors"][0].update(finding="mass"), "a detector names the finding mass"),
        (lambda d: d["findings"][0].update(given="normal"), "findings.0.given"),
        (lambda d: d.update(input={"rows": 64, "columns": 64}), "input"),
    ],
)
def test_a_wrong_ensemble_is_refused_with_words(
    hollow_ensemble: EnsemblePackage, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    path = hollow_ensemble.folder / MANIFEST
    document = tomllib.loads(path.read_text())
    change(document)
    path.write_text(tomlkit.dumps(document))
    with pytest.raises(PackageError) as caught:
        load_package(hollow_ensemble.folder)
    assert words in str(caught.value)


def test_boxes_need_a_member_that_draws_them(
    tmp_path: Path, both_manifest: EnsembleManifest, manifest: Manifest
) -> None:
    blind = manifest.model_copy(
        update={
            "detectors": (),
            "findings": tuple(finding.model_copy(update={"boxes": False}) for finding in manifest.findings),
        }
    )
    member = write_package(tmp_path / "blind", blind, dict.fromkeys(REQUIRED_FILES, b""))
    with pytest.raises(PackageError, match="finding lung_opacity has boxes = true, but no member draws boxes"):
        write_ensemble(tmp_path / "both", both_manifest, [member.folder] * 2)
    assert not (tmp_path / "both").exists()


def test_a_sites_points_replace_an_ensembles_own(hollow_ensemble: EnsemblePackage) -> None:
    mine = with_site_points(hollow_ensemble, {"normal": OperatingPointSettings(sensitive=0.1, specific=0.2)})
    opacity, normal = mine.manifest.findings
    assert mine.points(normal) == OperatingPoints(0.1, 0.2)
    assert mine.points(opacity) == OperatingPoints(0.25, 0.6)
    with pytest.raises(SettingsError, match=r"operating_points\.effusion.*lung_opacity, normal"):
        with_site_points(hollow_ensemble, {"effusion": OperatingPointSettings(sensitive=0.1, specific=0.2)})

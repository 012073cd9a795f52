"""The evidence for what may be stated: which films count, what was read of them, and how calls are counted."""

from pathlib import Path

import pytest

from benchmarks.stated import Scores, chestxdet_reads, evidence_films, measure, outside, read_truths_of
from config.errors import DataError
from training.data.examples import Example
from training.evaluation.record import TEST, TRAINING, VALIDATION, Record

RECORD = Record(folds={TRAINING: frozenset({1, 2}), VALIDATION: frozenset({3}), TEST: frozenset({0})}, patients=())
MANIFEST = """\
file,source,patient,fold,view,age,rsna_class
nih/opacity.jpg,nih,P1,0,PA,60,Lung Opacity
nih/other.jpg,nih,P2,0,AP,60,No Lung Opacity / Not Normal
nih/normal.jpg,nih,P3,0,AP Supine,,Normal
nih/unread.jpg,nih,P3,0,PA,18,
nih/lateral.jpg,nih,P4,0,L,60,Normal
nih/child.jpg,nih,P5,0,PA,17,Normal
nih/learnt.jpg,nih,P6,1,PA,60,Normal
nih/chosen.jpg,nih,P7,3,PA,60,Normal
nih/upside-down.jpg,nih,P8,0,PA,60,Normal
covid/ward.jpg,ieee8023,P9,,PA,60,
"""
MORE = """\
file,source,patient,fold,view,age,part,children,rsna_class,findings
box/nodule.jpg,nih,P10,0,PA,60,nihbox,,,
box/clear.jpg,nih,P11,0,PA,60,nihbox,,,
extra/normal.jpg,rsna,P12,,PA,60,rsnanormal,,Normal,
kermany/child.jpg,kermany,P13,,AP,,kermany,yes,,none
bimcv/a.jpg,bimcv,P14,,,?,bimcv,,,
bimcv/negative.jpg,bimcv,P15,,,?,bimcv,,,
jsrt/normal.jpg,jsrt,P16,,PA,60,jsrt,,,none
jsrt/nodule.jpg,jsrt,P17,,PA,60,jsrt,,,nodule
shenzhen/normal.jpg,shenzhen,P18,,PA,60,shenzhen,,,none
shenzhen/tuberculosis.jpg,shenzhen,P19,,PA,60,shenzhen,,,tuberculosis
"""
READS = """\
file,reader,finding,value,radiologists
box/nodule.jpg,chestxdet,Diffuse Nodule|Consolidation,,3
box/clear.jpg,chestxdet,none,,3
nih/opacity.jpg,google2019,Nodule,YES,3
"""
WRONG = """\
file,what
images/nih/upside-down.jpg,upside down
more/images/bimcv/negative.jpg,negative
dicom/rsna/none.dcm,negative
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a data folder whose pixels nobody reads."""
    for root, manifest in ((tmp_path, MANIFEST), (tmp_path / "more", MORE)):
        for line in manifest.splitlines()[1:]:
            path = root / "images" / line.split(",")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (root / "manifest.csv").write_text(manifest)
    (tmp_path / "more" / "reads.csv").write_text(READS)
    (tmp_path / "known-wrong.csv").write_text(WRONG)
    return tmp_path


@pytest.fixture
def films(data: Path) -> list[Example]:
    return evidence_films(data, RECORD)


def test_laterals_children_known_wrong_and_learnt_films_are_no_evidence(films: list[Example]) -> None:
    assert [film.file for film in films] == [
        "nih/opacity.jpg", "nih/other.jpg", "nih/normal.jpg", "nih/unread.jpg", "box/nodule.jpg", "box/clear.jpg",
        "extra/normal.jpg", "bimcv/a.jpg", "jsrt/normal.jpg", "jsrt/nodule.jpg", "shenzhen/normal.jpg",
        "shenzhen/tuberculosis.jpg",
    ]  # fmt: skip


def test_a_film_named_wrong_in_one_folder_leaves_the_other_folders_film_alone(data: Path) -> None:
    (data / "known-wrong.csv").write_text("file,what\nmore/images/nih/opacity.jpg,negative\n")
    assert "nih/opacity.jpg" in [film.file for film in evidence_films(data, RECORD)]


@pytest.mark.parametrize(
    ("label", "truths"),
    [
        ("lung_opacity", {"nih/opacity.jpg": True, "nih/other.jpg": False, "nih/normal.jpg": False}),
        ("normal", {"nih/opacity.jpg": False, "nih/other.jpg": False, "nih/normal.jpg": True}),
        ("nodule", {"box/nodule.jpg": True, "box/clear.jpg": False}),
        ("infiltration", {"box/nodule.jpg": True, "box/clear.jpg": False}),
        ("mass", {"box/nodule.jpg": False, "box/clear.jpg": False}),
        ("pneumonia", {}),
        ("covid19", {}),
    ],
)
def test_right_is_what_radiologists_read(data: Path, films: list[Example], label: str, truths: dict[str, bool]) -> None:
    assert read_truths_of(label, films, chestxdet_reads(data)) == truths


def test_films_of_other_hospitals_are_grouped_by_what_they_are_known_to_be(films: list[Example]) -> None:
    assert {name: [film.file for film in group] for name, group in outside(films).items()} == {
        "bimcv": ["bimcv/a.jpg"],
        "jsrt normal": ["jsrt/normal.jpg"],
        "jsrt nodule": ["jsrt/nodule.jpg"],
        "shenzhen normal": ["shenzhen/normal.jpg"],
        "shenzhen tuberculosis": ["shenzhen/tuberculosis.jpg"],
    }


def test_calls_are_counted_on_what_was_read_on_normals_and_elsewhere(data: Path, films: list[Example]) -> None:
    called = {"nih/opacity.jpg": 0.5, "nih/other.jpg": 0.9, "extra/normal.jpg": 0.7, "shenzhen/normal.jpg": 0.6,
              "bimcv/a.jpg": 0.8}  # fmt: skip
    scores = {film.file: {"lung_opacity": called.get(film.file, 0.4999)} for film in films}
    counts = measure("lung_opacity", 0.5, films, chestxdet_reads(data), scores)
    assert counts["normals"] == {"calls": 1, "images": 2}
    assert counts["elsewhere"]["bimcv"] == {"calls": 1, "images": 1}
    evidence = counts["evidence"]
    assert [evidence[name] for name in ("images", "positives", "calls", "right")] == [3, 1, 2, 1]
    assert evidence["normals"] == counts["normals"]
    # A COVID-19 ward may show an opacity; of the normals elsewhere the worse group counts.
    assert evidence["elsewhere"] == counts["elsewhere"]["shenzhen normal"] == {"calls": 1, "images": 1}
    assert evidence["source"].startswith("RSNA 2018 reads of 3 images of 3 patients ")


def test_of_a_finding_that_nobody_read_only_normals_and_elsewhere_are_counted(data: Path, films: list[Example]) -> None:
    scores = {film.file: {"covid19": 0.1} for film in films}
    counts = measure("covid19", 0.5, films, chestxdet_reads(data), scores)
    assert set(counts) == {"point", "normals", "elsewhere"}


def test_scores_of_another_package_are_not_taken_over(tmp_path: Path) -> None:
    kept = Scores.open(tmp_path / "scores.json", ("a", "b"))
    kept.by_file["a.jpg"] = {"mass": 0.25}
    kept.save()
    assert Scores.open(tmp_path / "scores.json", ("a", "b")).by_file == {"a.jpg": {"mass": 0.25}}
    assert Scores.open(tmp_path / "scores.json", ("a", "c")).by_file == {}


def test_a_data_folder_without_reads_is_refused(data: Path) -> None:
    (data / "more" / "reads.csv").unlink()
    with pytest.raises(DataError, match=r"reads\.csv is missing"):
        chestxdet_reads(data)

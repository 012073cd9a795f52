"""Folders of films that a package is measured on."""

from pathlib import Path

import pytest

from config.errors import DataError
from training.data.examples import View
from training.data.films import all_films, films

MANIFEST = """\
file,source,patient,fold,view,age,sex,part,children,rsna_class,findings
a/1.jpg,nih,P1,0,PA,60,F,nihbox,,Lung Opacity,
b/2.jpg,kermany,P2,3,AP,,M,kermany,yes,,none
c/3.jpg,bimcv,P3,,,?,M,bimcv,,,
"""
BOXES = """\
file,label,x,y,w,h,source
a/1.jpg,Infiltrate,0.1,0.2,0.3,0.4,bbox2017
a/1.jpg,Fracture,0.1,0.2,0.3,0.4,chestxdet
"""


def collection(root: Path) -> Path:
    """Write a folder of three films, whose pixels nobody reads, with boxes."""
    for name in ("a/1.jpg", "b/2.jpg", "c/3.jpg"):
        path = root / "images" / name
        path.parent.mkdir(parents=True)
        path.touch()
    (root / "manifest.csv").write_text(MANIFEST)
    (root / "boxes.csv").write_text(BOXES)
    return root


def test_films_are_read_with_what_is_unknown_left_so(tmp_path: Path) -> None:
    adult, child, unknown = films(collection(tmp_path))
    assert (adult.file, adult.source, adult.patient, adult.fold, adult.view) == ("a/1.jpg", "nihbox", "P1", 0, View.PA)
    assert [(box.label, box.x, box.h) for box in adult.boxes] == [("infiltration", 0.1, 0.4)]
    assert adult.is_frontal_adult
    assert not child.is_adult
    assert not child.is_frontal_adult
    assert (unknown.view, unknown.age, unknown.fold, unknown.truths) == (View.UNKNOWN, None, None, {})


def test_what_radiologists_read_is_kept_apart_from_what_a_collection_says(tmp_path: Path) -> None:
    adult, child, _ = films(collection(tmp_path))
    assert adult.truths == {"normal": False, "not_normal": False, "lung_opacity": True}
    assert adult.read == set(adult.truths)
    assert (child.truths, child.read) == ({"no_finding": True}, set())


def test_films_that_are_known_to_be_wrong_are_left_out_of_both_sets(tmp_path: Path) -> None:
    collection(tmp_path)
    collection(tmp_path / "more")
    (tmp_path / "known-wrong.csv").write_text("file,what\nimages/a/1.jpg,negative\nmore/images/c/3.jpg,upside down\n")
    below = [film.path.relative_to(tmp_path).as_posix() for film in all_films(tmp_path)]
    assert below == ["images/b/2.jpg", "images/c/3.jpg", "more/images/a/1.jpg", "more/images/b/2.jpg"]


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.csv"):
        films(tmp_path)


def test_a_film_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    (collection(tmp_path) / "images/b/2.jpg").unlink()
    with pytest.raises(DataError, match=r"manifest\.csv line 3: .*2\.jpg"):
        films(tmp_path)

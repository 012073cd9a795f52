"""Folders of films that a package is tried on."""

from pathlib import Path

import pytest

from config.errors import DataError
from training.data.examples import View
from training.data.films import films

MANIFEST = """\
file,source,patient,fold,view,age,sex,part,children
a/1.jpg,nih,P1,0,PA,60,F,nihbox,
b/2.jpg,kermany,P2,3,AP,,M,kermany,yes
c/3.jpg,bimcv,P3,,,?,M,bimcv,
"""
BOXES = """\
file,label,x,y,w,h,source
a/1.jpg,Infiltrate,0.1,0.2,0.3,0.4,bbox2017
a/1.jpg,Fracture,0.1,0.2,0.3,0.4,chestxdet
"""


def test_films_are_read_with_what_is_unknown_left_so(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(MANIFEST)
    (tmp_path / "boxes.csv").write_text(BOXES)
    adult, child, unknown = films(tmp_path)
    assert (adult.file, adult.source, adult.patient, adult.fold, adult.view) == ("a/1.jpg", "nihbox", "P1", 0, View.PA)
    assert [(box.label, box.x, box.h) for box in adult.boxes] == [("infiltration", 0.1, 0.4)]
    assert adult.is_frontal_adult
    assert not child.is_frontal_adult
    assert (unknown.view, unknown.age, unknown.fold) == (View.UNKNOWN, None, None)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.csv"):
        films(tmp_path)

"""LabelImg's files: there and back, from other hands, and every way in which one can be wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import structlog.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from config.errors import DataError
from tests.phantoms import phantom_dataset
from training.data import voc
from training.data.examples import Example, TruthBox, View
from training.data.readers import open_data

LABELS = st.sampled_from(["covid19", "effusion", "lung_opacity", "no_finding", "pleural_thickening"])
# What XML 1.0 can hold and a table would: no control characters, no blanks around.
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12).map(str.strip)


@st.composite
def boxes(draw: st.DrawFn) -> TruthBox:
    """A box in its picture, a fiftieth of a side or larger."""
    x, y = draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9))
    w, h = draw(st.floats(0.02, 1 - x)), draw(st.floats(0.02, 1 - y))
    return TruthBox(draw(LABELS), x, y, w, h, draw(TEXT))


@st.composite
def examples(draw: st.DrawFn) -> tuple[Example, ...]:
    """One to three pictures that are not there yet, with at least one box among them."""
    truths = st.dictionaries(LABELS, st.booleans(), max_size=4)
    made = [
        Example(
            file=f"a/{number}.png",
            path=Path(f"{number}.png"),
            patient=draw(TEXT.filter(bool)),
            source=draw(TEXT),
            fold=draw(st.none() | st.integers(0, 9)),
            view=draw(st.sampled_from(View)),
            age=draw(st.none() | st.integers(0, 120).map(float)),
            sex=draw(st.sampled_from(["", "M", "F"])),
            licence=draw(TEXT),
            truths=(known := draw(truths)),
            read=frozenset(name for name in known if draw(st.booleans())),
            boxes=tuple(draw(st.lists(boxes(), max_size=3))),
            boxed=frozenset(draw(st.lists(LABELS, max_size=3))),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    made[0] = replace(made[0], boxes=(*made[0].boxes, draw(boxes())))
    return tuple(made)


@given(given_=examples(), rows=st.integers(60, 200), columns=st.integers(60, 200))
@settings(max_examples=25)
def test_there_and_back_boxes_move_by_a_pixel_at_most_and_nothing_else_changes(
    given_: tuple[Example, ...], rows: int, columns: int
) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        Image.fromarray(np.zeros((rows, columns), np.uint8)).save(root / "one.png")
        written = [replace(example, path=root / "one.png") for example in given_]
        voc.write(written, root / "out")
        back = {example.file: example for example in open_data(root / "out", "voc")}
    assert len(back) == len(written)
    for example in written:
        same = back[example.file]
        assert replace(same, path=example.path, boxes=()) == replace(example, boxes=())
        for was, now in zip(example.boxes, same.boxes, strict=True):
            assert (was.label, was.source) == (now.label, now.source)
            for side, edges in ((columns, ("x", "w")), (rows, ("y", "h"))):
                start, length = edges
                ends = [getattr(box, start) + getattr(box, length) for box in (was, now)]
                assert abs(getattr(was, start) - getattr(now, start)) <= 1.01 / side
                assert abs(ends[0] - ends[1]) <= 1.01 / side


LABELIMG = """<annotation>
\t<folder>images</folder>
\t<filename>person7_virus_1.png</filename>
\t<path>C:\\Users\\me\\images\\person7_virus_1.png</path>
\t<source>
\t\t<database>Unknown</database>
\t</source>
\t<size>
\t\t<width>50</width>
\t\t<height>40</height>
\t\t<depth>1</depth>
\t</size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>covid_19_positive</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>10</xmin>
\t\t\t<ymin>4</ymin>
\t\t\t<xmax>35</xmax>
\t\t\t<ymax>24</ymax>
\t\t</bndbox>
\t</object>
</annotation>
"""


@pytest.fixture
def labelimg(tmp_path: Path, draw: Callable[..., Path]) -> Callable[..., Path]:
    """A function that writes what LabelImg saves for two pictures; a third is not labelled yet."""

    def write(text: str = LABELIMG) -> Path:
        for name in ("person7_virus_1", "b", "c"):
            draw(tmp_path / f"{name}.png")
        other = LABELIMG.replace("person7_virus_1", "b").replace("covid_19_positive", "covid_19_negative")
        (tmp_path / "b.xml").write_text(other, "utf-8")
        (tmp_path / "person7_virus_1.xml").write_text(text, "utf-8")
        return tmp_path

    return write


def test_what_labelimg_saved_is_read_with_its_labels_as_terms(labelimg: Callable[..., Path]) -> None:
    with structlog.testing.capture_logs() as logs:
        negative, positive = open_data(labelimg(), "voc")
    assert positive.boxes == (TruthBox("covid19", 0.2, 0.1, 0.5, 0.5, ""),)
    assert (positive.file, positive.patient, positive.fold) == ("person7_virus_1.png", "person7", None)
    assert positive.truths == {"covid19": True, "covid19_negative": False}
    assert negative.truths == {"covid19": False, "covid19_negative": True}
    assert positive.boxed == {"covid19", "covid19_negative"}
    assert {entry["event"]: entry["count"] for entry in logs} == {
        "pictures without an XML file are left out": 1,
        "patients unknown, each picture counts as its own: splits are by image": 1,
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LABELIMG.replace("<xmax>35", "<xmax>60"), r"virus_1\.xml object 1: the box is outside the picture"),
        (LABELIMG.replace("<xmax>35", "<xmax>10"), "object 1: the box has no area"),
        (LABELIMG.replace("<xmax>35", "<xmax>wide"), 'object 1: column xmax holds "wide": write a number'),
        (LABELIMG.replace("covid_19_positive", " "), 'object 1: the label "" makes no term'),
        (LABELIMG.replace("<width>50", "<width>512"), r"says 512 x 40 pixels, but person7_virus_1\.png has 50 x 40"),
        (LABELIMG[:-20], r"virus_1\.xml: is no XML .*: save it again in LabelImg"),
        (LABELIMG.replace("annotation>", "html>"), "is no annotation of LabelImg"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + LABELIMG, "has a document type, which LabelImg never writes"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_object(labelimg: Callable[..., Path], text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        open_data(labelimg(text), "voc")


def test_a_label_that_the_map_does_not_have_and_a_missing_picture_are_named(labelimg: Callable[..., Path]) -> None:
    root = labelimg()
    (root / "label_map.pbtxt").write_text('item { id: 1 name: "covid_19_negative" }')
    with pytest.raises(DataError, match='unknown label "covid_19_positive": write one of covid_19_negative or add it'):
        open_data(root, "voc")
    (root / "b.png").unlink()
    with pytest.raises(DataError, match=r"b\.xml: the picture b\.png is not beside it"):
        open_data(root, "voc")


def test_a_folder_without_annotations_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no XML files"):
        open_data(tmp_path, "voc")


def test_labels_choose_boxes_and_what_counts_as_boxed(tmp_path: Path, draw: Callable[..., Path]) -> None:
    two = (TruthBox("mass", 0, 0, 0.5, 0.5), TruthBox("nodule", 0.5, 0.5, 0.5, 0.5))
    example = Example("a.png", draw(tmp_path / "a.png"), "p", boxes=two, boxed=frozenset({"mass", "nodule"}))
    assert voc.write([example], tmp_path / "out", ["nodule"]) == ("nodule",)
    (back,) = open_data(tmp_path / "out", "voc")
    assert ([box.label for box in back.boxes], back.boxed) == (["nodule"], {"nodule"})


def test_a_dicom_file_becomes_png(tmp_path: Path) -> None:
    phantom_dataset(1, size=256).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    example = Example("a.dcm", tmp_path / "a.dcm", "p", boxes=(TruthBox("mass", 0.1, 0.1, 0.5, 0.5),))
    voc.write([example], tmp_path / "out")
    (back,) = open_data(tmp_path / "out", "voc")
    assert (back.file, back.path.name) == ("a.dcm", "a.png")


def test_nothing_is_left_of_a_folder_that_could_not_be_finished(tmp_path: Path, draw: Callable[..., Path]) -> None:
    box = TruthBox("mass", 0.1, 0.1, 0.5, 0.5)
    good = Example("a.jpg", draw(tmp_path / "in" / "a.jpg", rows=200, columns=200), "a", boxes=(box,))
    broken = replace(good, file="b.jpg", path=tmp_path / "in" / "b.jpg")
    broken.path.write_bytes(good.path.read_bytes()[:3000])
    out = tmp_path / "work" / "out"
    for bad in (broken, replace(good, file="../a.jpg"), good):  # broken, leading out, the same name twice
        with pytest.raises(DataError):
            voc.write([good, bad], out)
        assert list((tmp_path / "work").iterdir()) == []
    with pytest.raises(DataError, match=r"there is no box of nodule: the boxes' labels are mass"):
        voc.write([good], out, ["nodule"])
    voc.write([good], out)
    with pytest.raises(DataError, match="is there already: give a new folder"):
        voc.write([good], out)
    assert len(open_data(out, "voc")) == 1

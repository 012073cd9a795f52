"""Object-detection TFRecords: there and back, what other tools read in them, and broken files."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from config.errors import DataError
from training.data import tfrecord
from training.data.examples import Example, TruthBox, View
from training.data.label_map import read_label_map
from training.data.readers import open_data

tf = pytest.importorskip("tensorflow")
LABELS = st.sampled_from(["lung_opacity", "mass", "nodule", "pneumonia"])


@st.composite
def boxes(draw: st.DrawFn) -> TruthBox:
    """A box in its picture."""
    x, y = draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9))
    w, h = draw(st.floats(0.001, 1 - x)), draw(st.floats(0.001, 1 - y))
    return TruthBox(draw(LABELS), x, y, w, h, draw(st.text(max_size=8)))


@given(
    drawn=st.lists(boxes(), min_size=1, max_size=4),
    truths=st.dictionaries(LABELS, st.booleans()),
    fold=st.none() | st.integers(0, 9),
    age=st.none() | st.floats(0, 120),
    patient=st.text(min_size=1, max_size=12),
)
@settings(max_examples=25)
def test_there_and_back_nothing_is_lost_but_single_precision(
    drawn: list[TruthBox], truths: dict[str, bool], fold: int | None, age: float | None, patient: str
) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(30, 40)).save(root / "one.png")
        one = Example(
            "a/1.png", root / "one.png", patient, "nih", fold, View.AP, age, "F", "drawn here", truths,
            frozenset(truths), tuple(drawn), frozenset({"mass"}),
        )  # fmt: skip
        two = replace(one, file="2.png", boxes=(), truths={}, read=frozenset())
        tfrecord.write([one, two], root / "out")
        first, second = open_data(root / "out", "tfrecord")
        assert first.path.read_bytes() == one.path.read_bytes()
    assert replace(first, path=one.path, boxes=()) == replace(one, boxes=())
    assert replace(second, path=two.path) == two
    for was, now in zip(one.boxes, first.boxes, strict=True):
        assert (was.label, was.source) == (now.label, now.source)
        assert (was.x, was.y, was.w, was.h) == pytest.approx((now.x, now.y, now.w, now.h), abs=2e-7)


@pytest.fixture
def example(tmp_path: Path, draw: Callable[..., Path]) -> Example:
    """A picture with two boxes."""
    both = (TruthBox("nodule", 0.1, 0.2, 0.3, 0.4), TruthBox("mass", 0.5, 0.5, 0.25, 0.25))
    return Example("a.jpg", draw(tmp_path / "a.jpg"), "p", boxes=both, boxed=frozenset({"mass", "nodule"}))


def test_detection_tools_find_their_keys_and_class_numbers_from_one(tmp_path: Path, example: Example) -> None:
    tfrecord.write([example], tmp_path / "out", ["nodule", "mass"])
    assert dict(read_label_map(tmp_path / "out" / "label_map.pbtxt")) == {1: "nodule", 2: "mass"}
    lists = dict.fromkeys(("xmin", "xmax", "ymin", "ymax"), tf.float32)
    features = {
        "image/encoded": tf.io.FixedLenFeature((), tf.string),
        "image/format": tf.io.FixedLenFeature((), tf.string),
        "image/height": tf.io.FixedLenFeature((), tf.int64),
        "image/width": tf.io.FixedLenFeature((), tf.int64),
        "image/object/class/label": tf.io.VarLenFeature(tf.int64),
        "image/object/class/text": tf.io.VarLenFeature(tf.string),
        **{f"image/object/bbox/{side}": tf.io.VarLenFeature(kind) for side, kind in lists.items()},
    }
    (raw,) = tf.data.TFRecordDataset(str(tmp_path / "out" / "pictures.tfrecord-00000-of-00001")).as_numpy_iterator()
    parsed = tf.io.parse_single_example(raw, features)
    assert tf.io.decode_image(parsed["image/encoded"], channels=3).shape == (40, 50, 3)
    assert (parsed["image/format"].numpy(), int(parsed["image/height"])) == (b"jpeg", 40)
    assert list(parsed["image/object/class/label"].values.numpy()) == [1, 2]
    assert list(parsed["image/object/bbox/xmax"].values.numpy()) == pytest.approx([0.4, 0.75])


def test_many_pictures_are_dealt_into_shards(tmp_path: Path, example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfrecord, "PICTURES_A_SHARD", 2)
    tfrecord.write([replace(example, file=f"{number}.jpg") for number in range(5)], tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").glob("pictures*"))
    assert names == [f"pictures.tfrecord-0000{shard}-of-00003" for shard in range(3)]
    assert len(open_data(tmp_path / "out", "tfrecord")) == 5


def _write(path: Path, features: Mapping[str, Any]) -> None:
    """Write one record as another tool would."""
    kinds = {bytes: ("bytes_list", tf.train.BytesList), float: ("float_list", tf.train.FloatList)}
    message = {}
    for key, values in features.items():
        name, kind = kinds.get(type(values[0]), ("int64_list", tf.train.Int64List))
        message[key] = tf.train.Feature(**{name: kind(value=values)})
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.train.Example(features=tf.train.Features(feature=message)).SerializeToString())
    (path.parent / "label_map.pbtxt").write_text("item {\n\tname:'covid_19_positive'\n\tid:1\n}\n")


def _foreign(example: Example, **changes: Any) -> dict[str, Any]:
    sides = {"xmin": 0.1, "xmax": 0.4, "ymin": 0.2, "ymax": 0.6} | changes
    return {
        "image/encoded": [example.path.read_bytes()],
        "image/filename": [b"person7_virus_1.jpeg"],
        "image/format": [sides.pop("format", b"jpg")],
        "image/object/class/label": [sides.pop("label", 1)],
        **{f"image/object/bbox/{side}": [value] for side, value in sides.items()},
    }


def test_a_record_of_another_tool_is_read_with_what_it_has(tmp_path: Path, example: Example) -> None:
    _write(tmp_path / "in" / "train.record", _foreign(example))
    (back,) = open_data(tmp_path / "in", "tfrecord")
    assert (back.patient, back.truths, back.boxed) == ("person7", {"covid19": True}, {"covid19"})
    assert (back.boxes[0].x, back.boxes[0].h) == pytest.approx((0.1, 0.4))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"label": 2}, r"train\.record record 1: class 2 is not in label_map\.pbtxt: add its item"),
        ({"xmax": 1.4}, r"train\.record record 1: the box is outside the picture"),
        ({"xmax": 0.1}, r"train\.record record 1: the box has no area"),
        ({"format": b"tiff"}, r"record 1: the picture is neither JPEG nor PNG"),
    ],
)
def test_what_is_wrong_is_named_with_shard_and_record(
    tmp_path: Path, example: Example, changes: dict[str, Any], says: str
) -> None:
    _write(tmp_path / "in" / "train.record", _foreign(example, **changes))
    with pytest.raises(DataError, match=says):
        open_data(tmp_path / "in", "tfrecord")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image/filename", b"R\xf6ntgen.jpeg"),
        ("image/filename", 7),
        ("image/format", b"\xff"),
        ("cxrnode/object/source", b"Universit\xe9"),
        ("cxrnode/source", b"Universit\xe9"),
        ("cxrnode/patient", b"\xff\xfe"),
    ],
)
def test_what_is_no_text_is_named_with_shard_record_and_key(
    tmp_path: Path, example: Example, key: str, value: Any
) -> None:
    _write(tmp_path / "in" / "train.record", _foreign(example) | {key: [value]})
    with pytest.raises(DataError, match=rf"train\.record record 1: {key} is no text in UTF-8: write the files again"):
        open_data(tmp_path / "in", "tfrecord")


def test_broken_shards_and_missing_files_are_named_and_nothing_is_unpacked(tmp_path: Path, example: Example) -> None:
    root = tmp_path / "out"
    tfrecord.write([example], root)
    shard = next(root.glob("pictures*"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-5])
    with pytest.raises(DataError, match=r"pictures\.tfrecord-00000-of-00001 is broken after record 0"):
        open_data(root, "tfrecord")
    with tf.io.TFRecordWriter(str(shard)) as writer:
        writer.write(struct.pack("<Q", 1 << 60))
    with pytest.raises(DataError, match=r"of-00001 record 1 (is no example|holds no picture)"):
        open_data(root, "tfrecord")
    shard.write_bytes(whole)
    (root / "label_map.pbtxt").unlink()
    with pytest.raises(DataError, match=r"label_map\.pbtxt is missing"):
        open_data(root, "tfrecord")
    assert sorted(path.name for path in root.iterdir()) == [shard.name]
    shard.unlink()
    with pytest.raises(DataError, match="holds no TFRecord files"):
        open_data(root, "tfrecord")


def test_nothing_is_left_of_a_folder_that_could_not_be_finished(tmp_path: Path, example: Example) -> None:
    missing = replace(example, file="b.jpg", path=tmp_path / "b.jpg")
    with pytest.raises(DataError, match=r"b\.jpg is not in"):
        tfrecord.write([example, missing], tmp_path / "work" / "out")
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("item { name: 'a' }", "line 1: an item needs a name and an id"),
        ("item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }", "line 2: b or its id is there twice"),
        ("item { id: 0 name: 'a' }", "an id of 1 or more"),
        ("names: a, b", "is no label map"),
        ("", "is no label map"),
    ],
)
def test_a_wrong_label_map_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "label_map.pbtxt").write_text(text)
    with pytest.raises(DataError, match=says):
        read_label_map(tmp_path / "label_map.pbtxt")

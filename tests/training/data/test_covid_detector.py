"""A COVID-19 detector's data: whose pictures, whose boxes, and who drew them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from config.errors import DataError
from inference.model import Model
from training.data import voc
from training.data.covid_detector import LABELS, draw_boxes, drawn_by, label_of
from training.data.examples import Example, TruthBox
from training.data.readers import open_data

SOURCE = "machine-drawn by chest-default 1.3.0"
BOX = TruthBox("lung_opacity", 0.1, 0.2, 0.3, 0.4, SOURCE)


def test_the_negative_label_is_other_pneumonia_of_the_same_source(manifest: Callable[..., Path]) -> None:
    examples = {example.file: label_of(example) for example in open_data(manifest(), "manifest")}
    assert [examples[f"ieee8023/0{number}.jpg"] for number in (4, 5, 6, 7)] == [
        "covid19",
        "covid19_negative",
        None,
        None,
    ]
    assert {label for file, label in examples.items() if not file.startswith("ieee8023")} == {None}


def test_drawn_boxes_carry_the_pictures_label_and_their_machine_into_the_files(
    manifest: Callable[..., Path], tmp_path: Path
) -> None:
    examples = open_data(manifest(), "manifest")
    drawn = draw_boxes(examples, lambda example: () if example.fold == 4 else (BOX, BOX))
    assert (len(drawn.examples), drawn.without_box) == (8, 2)
    voc.write(drawn.examples, tmp_path / "out", LABELS)
    sheet = (tmp_path / "out" / "ieee8023" / "04.xml").read_text("utf-8")
    assert f"<annotation>{SOURCE}</annotation>" in sheet
    assert sheet.count("<name>covid19</name>") == 2
    back = {example.file: example for example in open_data(tmp_path / "out", "voc")}
    negative = back["ieee8023/05.jpg"]
    assert {(box.label, box.source) for box in negative.boxes} == {("covid19_negative", SOURCE)}
    assert negative.truths == {"covid19": False, "covid19_negative": True}
    assert (negative.patient, negative.fold, negative.read) == ("05", 0, frozenset())


def test_a_label_without_a_picture_or_a_box_is_refused(manifest: Callable[..., Path]) -> None:
    examples = open_data(manifest(), "manifest")
    with pytest.raises(DataError, match="no box was drawn in any picture of covid19: take another package"):
        draw_boxes(examples, lambda example: () if example.truths["covid19"] else (BOX,))
    healthy = [replace(example, truths={}) for example in examples]
    with pytest.raises(DataError, match="no picture is known to be covid19"):
        draw_boxes(healthy, lambda _example: (BOX,))


@pytest.mark.data
def test_the_shipped_package_draws_boxes_inside_real_pictures(cxr_data: Path) -> None:
    examples = [example for example in open_data(cxr_data, "manifest") if label_of(example)]
    some: list[Example] = [example for example in examples if example.truths["covid19"]][:4]
    some += [example for example in examples if not example.truths["covid19"]][:8]
    drawn = draw_boxes(some, drawn_by(Model.open("chest-default")))
    boxes = [box for example in drawn.examples for box in example.boxes]
    assert {box.source for box in boxes} == {SOURCE}
    assert all(box.x >= 0 and box.y >= 0 and box.x + box.w <= 1 + 1e-9 and box.y + box.h <= 1 + 1e-9 for box in boxes)

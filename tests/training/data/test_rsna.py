"""The RSNA 2018 challenge and folders of DICOM files, with phantoms and with real files."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing

from config.errors import DataError
from tests.phantoms import phantom_dataset
from training.data.examples import TruthBox, View
from training.data.image_files import read_grey
from training.data.readers import open_data

LABELS = "patientId,x,y,width,height,Target\na,,,,,0\nb,64.0,32.0,128.0,64.0,1\nb,0.0,0.0,256.0,256.0,1\nc,,,,,0\n"
CLASSES = "patientId,class\na,Normal\nb,Lung Opacity\nb,Lung Opacity\nc,No Lung Opacity / Not Normal\n"
COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
NAMES = ("stage_2_train_labels.csv", "stage_2_detailed_class_info.csv")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three phantoms of 256 pixels, drawn once."""
    folder = tmp_path_factory.mktemp("phantoms")
    for seed, name in enumerate("abc"):
        dataset = phantom_dataset(seed, size=256)
        dataset.PatientAge, dataset.PatientSex, dataset.ViewPosition = "051Y", "F", "AP"
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture
def rsna(tmp_path: Path, phantoms: Path) -> Callable[..., Path]:
    """A function that writes the challenge's files around three phantoms."""

    def write(labels: str = LABELS, classes: str = CLASSES) -> Path:
        for name, text in zip(NAMES, (labels, classes), strict=True):
            (tmp_path / name).write_text(text, "utf-8")
        shutil.copytree(phantoms, tmp_path / "stage_2_train_images")
        return tmp_path

    return write


def test_reads_boxes_and_headers_come_together(rsna: Callable[..., Path]) -> None:
    with structlog.testing.capture_logs() as logs:
        normal, opacity, other = open_data(rsna(), "rsna")
    assert normal.truths == {"normal": True, "not_normal": False, "lung_opacity": False}
    assert other.truths["not_normal"]
    assert (normal.view, normal.age, normal.sex, normal.boxed) == (View.AP, 51, "F", {"lung_opacity"})
    rows, columns = read_grey(opacity.path).shape
    assert opacity.boxes[0] == TruthBox("lung_opacity", 64 / columns, 32 / rows, 128 / columns, 64 / rows, "rsna")
    assert len(opacity.boxes) == 2
    assert [entry["count"] for entry in logs] == [3]  # the challenge's ids name pictures, not patients


def test_the_organisers_mapping_makes_patients_known(rsna: Callable[..., Path]) -> None:
    root = rsna()
    pairs = (("a", "00000001_000.png"), ("b", "00000001_001.png"), ("c", "00000002_000.png"))
    mapping = [{"subset_img_id": name, "img_id": nih} for name, nih in pairs]
    (root / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps(mapping))
    assert [example.patient for example in open_data(root, "rsna")] == ["00000001", "00000001", "00000002"]
    (root / "pneumonia-challenge-dataset-mappings_2018.json").write_text("[1]")
    with pytest.raises(DataError, match=r"mappings_2018\.json is not as published"):
        open_data(root, "rsna")


@pytest.mark.parametrize(
    ("labels", "classes", "says"),
    [
        (LABELS.replace("64.0,32.0,128.0", "64.0,32.0,228.0"), CLASSES, "labels.csv line 3: the box is outside"),
        (LABELS.replace("a,,,,,0", "a,0,0,9,9,1"), CLASSES, 'line 2: Target 1 contradicts the class "Normal"'),
        (LABELS.replace("a,,,,,0", "a,,,,,2"), CLASSES, 'line 2: unknown Target "2"'),
        (LABELS.replace("64.0,32", "left,32"), CLASSES, 'line 3: column x holds "left"'),
        (LABELS + "z,,,,,0\n", CLASSES, "line 6: stage_2_detailed_class_info.csv has no row for z"),
        ("patientId,x,y,width,height,Target\na,,,,,0\n", CLASSES, "has no box for b, which shows a lung opacity"),
        (LABELS, CLASSES + "d,Normal\n", r"info\.csv line 6: the picture d\.dcm is not in"),
        (LABELS, CLASSES + "a,Lung Opacity\n", "line 6: a has two different classes"),
        (LABELS, CLASSES.replace("Normal\n", "Fine\n", 1), 'line 2: unknown class "Fine"'),
        (LABELS, CLASSES.replace("patientId", "id"), r"info\.csv line 1 has no column patientId"),
    ],
)
def test_what_is_wrong_is_named(rsna: Callable[..., Path], labels: str, classes: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        open_data(rsna(labels, classes), "rsna")


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ("id,patient,rsna_class\na,p,Normal\nx,p,Normal\n", r"index\.csv line 3: the picture x\.dcm is not in"),
        ("id,patient,rsna_class\na,,Normal\n", "line 2: the patient is empty"),
        ("id,patient,rsna_class\na,p,Fine\n", 'line 2: unknown rsna_class "Fine"'),
        ("id,patient,rsna_class\n../a,p,Normal\n", "is no file name"),
        ("id,patient\na,p\n", "no column rsna_class"),
        ("id,patient,rsna_class\n", "has no row"),
    ],
)
def test_a_wrong_index_of_a_dicom_folder_is_named(rsna: Callable[..., Path], index: str, says: str) -> None:
    folder = rsna() / "stage_2_train_images"
    (folder / "index.csv").write_text(index)
    with pytest.raises(DataError, match=says):
        open_data(folder, "dicom")


def test_a_dicom_folder_without_an_index_and_a_file_that_is_none_are_named(rsna: Callable[..., Path]) -> None:
    folder = rsna() / "stage_2_train_images"
    with pytest.raises(DataError, match=r"index\.csv is missing: give a folder of DICOM files"):
        open_data(folder, "dicom")
    (folder / "index.csv").write_text("id,patient,rsna_class\na,p,\n")
    (example,) = open_data(folder, "dicom")
    assert (example.truths, example.read, example.view) == ({}, frozenset(), View.AP)
    (folder / "a.dcm").write_text("not DICOM")
    with pytest.raises(DataError, match=r"a\.dcm cannot be read as DICOM"):
        open_data(folder, "dicom")


@pytest.mark.data
def test_real_challenge_files_agree_with_the_manifest(
    cxr_data: Path, tmp_path: Path, table: Callable[..., None]
) -> None:
    """The challenge's layout, rebuilt around its real DICOM files, says what the manifest says of the same pictures."""
    index = list(csv.DictReader((cxr_data / "dicom" / "rsna" / "index.csv").read_text("utf-8").splitlines()))
    known = {example.path.stem.rpartition("rsna-")[2]: example for example in open_data(cxr_data, "manifest")}
    rows = [row for row in index if row["id"] in known]
    assert rows
    (tmp_path / "stage_2_train_images").symlink_to(cxr_data / "dicom" / "rsna")
    labels = []
    for row in rows:
        boxes = [(b.x * 1024, b.y * 1024, b.w * 1024, b.h * 1024) for b in known[row["id"]].boxes if b.source == "rsna"]
        target = int(row["rsna_class"] == "Lung Opacity")
        values = [(row["id"], *box, target) for box in boxes or [("", "", "", "")]]
        labels += [dict(zip(COLUMNS, one, strict=True)) for one in values]
    table(tmp_path / NAMES[0], labels)
    table(tmp_path / NAMES[1], [{"patientId": row["id"], "class": row["rsna_class"]} for row in rows])
    for example in open_data(tmp_path, "rsna"):
        same = known[example.path.stem]
        assert {label: same.truths[label] for label in example.truths} == example.truths
        assert (example.view, example.sex) == (same.view, same.sex)
        assert len(example.boxes) == sum(box.source == "rsna" for box in same.boxes)

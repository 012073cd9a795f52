"""Answers listed and exported: from a form's answer to a data set that the training room reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from typer.testing import CliRunner

from config.errors import DataError
from config.settings import Settings
from cxrnode.cli import _assemble, app
from cxrnode.deidentify import deidentified
from cxrnode.feedback_card import Form
from cxrnode.feedback_export import Marker, export, node_salt
from cxrnode.phantom import View
from inference.findings import finding_to_json
from tests.accounts import finding
from tests.phantoms import phantom_dataset
from tracking.answers import feedback
from tracking.answers.feedback import Answer, AnsweredModel, DrawnBox, FeedbackFilter, GivenAnswer, Subject, SubjectKind
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.people.users import Actor
from tracking.results.analyses import AnalysisRecord, FindingRecord, OutcomeRecord, record_analysis
from tracking.studies.instances import IncomingInstance, StudyHeader, register_instance
from training.data import image_files
from training.data.readers import open_data

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MODEL = AnsweredModel("opacity", "1.0", "d" * 64)
SECRET = "Q7SECRETPATIENT"
ALL = FeedbackFilter()


@pytest.fixture(autouse=True)
def _commands() -> None:
    _assemble()


def image(number: int, **header: str) -> Dataset:
    made = phantom_dataset(number, view=View.PA, size=320)
    made.PatientID, made.PatientName, made.PatientAge, made.PatientSex = f"{SECRET}{number % 2}", SECRET, "097Y", "F"
    made.StudyDescription = made.AccessionNumber = made.InstitutionName = SECRET
    made.add_new((0x0009, 0x0010), "LO", SECRET)
    made.add_new((0x0009, 0x1001), "LO", SECRET)
    for keyword, value in header.items():
        setattr(made, keyword, value)
    return made


@pytest.fixture
def answered(settings: Settings, database: Database) -> Callable[..., None]:
    """Return a function that stores a study of one image and records answers about it."""

    def record(number: int, *answers: tuple[Subject, Answer, DrawnBox | None], **header: str) -> None:
        path = settings.instance_dir / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image(number, **header).save_as(path, enforce_file_format=True)
        study = StudyHeader(f"1.9.{number}", patient_id=f"{SECRET}{number % 2}", patient_name=SECRET)
        incoming = IncomingInstance(
            instance_uid=f"1.1.{number}", sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path=f"{number}",
            calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1", study=study,
        )  # fmt: skip
        made = (finding("lung_opacity", 0.9, (30, 60, 90, 120, 0.9)), finding("mass", 0.1))
        records = tuple(
            FindingRecord(one.label, one.code.value, one.code.scheme, one.code.meaning, one.score, one.level.value,
                          one.abnormal, finding_to_json(one)) for one in made
        )  # fmt: skip
        outcome = OutcomeRecord(f"1.1.{number}", None, None, records)
        with database.transaction() as tx:
            register_instance(tx, incoming, settle_seconds=0)
            record_analysis(
                tx, AnalysisRecord(study.study_uid, 1, "opacity", "1.0", "d" * 64, "litert", 0.1, (outcome,), {})
            )
        with database.transaction() as tx:
            for subject, answer, box in answers:
                about = Subject(
                    f"{subject.uid}.{number}", subject.kind, f"1.1.{number}", subject.label, subject.name,
                    subject.position, subject.claimed,
                )  # fmt: skip
                comment = SECRET if answer is Answer.COMMENT else ""
                given = GivenAnswer(study.study_uid, 1, about, MODEL, answer, box, comment)
                feedback.record_answer(tx, given, by=Actor("jane"))

    return record


OPACITY = Subject("2.25.1", SubjectKind.FINDING, "", "lung_opacity", "Opacity", claimed=True)
REGION = Subject("2.25.2", SubjectKind.REGION, "", "lung_opacity", "Opacity", 1, claimed=True)
IMAGE = Subject("2.25.3", SubjectKind.IMAGE, "")
ADDED = Subject("2.25.4", SubjectKind.ADDED, "", "", SECRET)
ANSWERS = (
    (OPACITY, Answer.AGREE, None), (REGION, Answer.CORRECTED, DrawnBox(32, 64, 96, 128)),
    (IMAGE, Answer.NOTHING_MISSED, None), (ADDED, Answer.ADDED, None),
    (Subject("2.25.5", SubjectKind.IMAGE, ""), Answer.COMMENT, None),
)  # fmt: skip


def run(settings: Settings, tmp_path: Path, database: Database, *arguments: str) -> Any:
    config = tmp_path / "cxrnode.toml"
    url = database.engine.url.render_as_string(hide_password=False)
    config.write_text(f'[node]\ndata_dir = "{settings.node.data_dir}"\n[database]\nurl = "{url}"\n')
    return CliRunner().invoke(app, ["--config", str(config), "feedback", *arguments])


@on_sqlite
@pytest.mark.parametrize("form", ["png", "dicom"])
def test_answers_become_a_data_set_that_the_training_room_reads(
    form: str, settings: Settings, tmp_path: Path, database: Database, answered: Callable[..., None]
) -> None:
    answered(1, *ANSWERS)
    answered(2, (OPACITY, Answer.DISAGREE, None))
    answered(3, (OPACITY, Answer.UNSURE, None))
    answered(4, *ANSWERS, BurnedInAnnotation="YES")
    out = tmp_path / "set"
    ran = run(settings, tmp_path, database, "export", str(out), *(["--dicom"] if form == "dicom" else []))
    assert ran.exit_code == 0, ran.output
    assert "3 images of 2 patients" in ran.output
    assert "1 because the image says that text is burned into its pixels" in ran.output
    examples = open_data(out, "feedback")
    known = sorted((tuple(sorted(one.truths.items())), len(one.boxes)) for one in examples)
    assert known == [
        ((), 0), ((("lung_opacity", False),), 0), ((("lung_opacity", True), ("mass", False)), 1),
    ]  # fmt: skip
    (boxed,) = [one for one in examples if one.boxes]
    (box,) = boxed.boxes
    rows, columns = image_files.size(boxed.path)
    assert (box.x * columns, box.y * rows) == pytest.approx((32, 64), abs=0.01)
    assert boxed.boxed == {"lung_opacity", "mass"}
    assert {one.age for one in examples} == {90}
    assert {one.view.value for one in examples} == {"PA"}
    assert image_files.read_grey(boxed.path).shape == (rows, columns)
    for path in out.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path.name
    assert "3 images of 2 patients" in (out / "card.md").read_text()
    with database.reading() as read:
        (line,) = audit.last_lines(read, 1)
    assert (line.type, line.detail["images"]) == ("feedback-exported", 3)


@on_sqlite
def test_a_patient_has_the_same_mark_in_every_export_of_a_node_and_another_elsewhere(
    settings: Settings, database: Database, answered: Callable[..., None], tmp_path: Path
) -> None:
    answered(1, *ANSWERS)
    answered(3, *ANSWERS)
    with database.reading() as read:
        images = feedback.answered_images(read, ALL)
    first, second = (export(images, settings, tmp_path / name, ALL) for name in "ab")
    assert len({image.patient for image in (*first.images, *second.images)}) == 1
    assert len({image.file for image in (*first.images, *second.images)}) == 2
    assert Marker(b"x" * 32).patient(images[0]) != first.images[0].patient
    salt = settings.node.data_dir / "feedback.salt"
    assert salt.stat().st_mode & 0o777 == 0o600
    salt.write_bytes(b"short")
    with pytest.raises(DataError, match="restore it"):
        node_salt(settings.node.data_dir)


@on_sqlite
def test_nothing_is_left_half_written(
    settings: Settings, database: Database, answered: Callable[..., None], tmp_path: Path
) -> None:
    answered(1, *ANSWERS, BurnedInAnnotation="YES")
    with database.reading() as read:
        images = feedback.answered_images(read, ALL)
    with pytest.raises(DataError, match="no answered image"):
        export(images, settings, tmp_path / "set", ALL, Form.DICOM)
    assert not (tmp_path / "set").exists()
    assert not list(tmp_path.glob(".set*"))


@on_sqlite
def test_answers_are_listed_without_free_text(
    settings: Settings, tmp_path: Path, database: Database, answered: Callable[..., None]
) -> None:
    answered(1, *ANSWERS)
    listed = run(settings, tmp_path, database, "list")
    assert listed.exit_code == 0, listed.output
    assert "5 of 5 answers" in listed.output
    assert SECRET not in listed.output
    told = json.loads(run(settings, tmp_path, database, "list", "--json", "--model", "opacity 1.0").output)
    assert len(told) == 5
    assert json.loads(run(settings, tmp_path, database, "list", "--json", "--to", "2001-01-01").output) == []


def test_a_clean_copy_keeps_pixels_and_drops_every_other_word(tmp_path: Path) -> None:
    source = image(1)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "272479007", "SCT", "postero-anterior"
    item.PatientName = SECRET
    source.ViewCodeSequence = [item]
    other = Dataset()
    other.RequestedProcedureDescription = SECRET
    source.RequestAttributesSequence = [other]
    source.ImageComments = source.DerivationDescription = SECRET
    content = deidentified(source, "mark")
    assert SECRET.encode() not in content
    (tmp_path / "x.dcm").write_bytes(content)
    clean = dcmread(tmp_path / "x.dcm")
    assert (clean.PatientID, clean.PatientIdentityRemoved, clean.PatientSex) == ("mark", "YES", "F")
    assert clean.PixelData == source.PixelData
    assert clean.ViewCodeSequence[0].CodeValue == "272479007"
    assert clean.SOPInstanceUID == clean.file_meta.MediaStorageSOPInstanceUID != source.SOPInstanceUID
    assert source.PatientName == SECRET

"""What a study's page offers to answer, and what a form of it means."""

from datetime import UTC, datetime

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from config.errors import ActionRefused
from console.answering import AnswerForm, given_answer, panels_of, read_box
from inference.findings import Finding, ModelIdentity, finding_to_json
from reporting.identity import tracking_uid
from tests.accounts import finding, findings
from tracking.answers.feedback import Answer, DrawnBox, GivenAnswer, RecordedAnswer, SubjectKind
from tracking.results.analyses import FindingRecord, OutcomeRecord, StoredAnalysis
from tracking.studies.instances import StudyHeader

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MODEL = ModelIdentity("opacity", "1.0", "d" * 64, "litert")
SIZES = {"1.1": (400, 320)}


def record(made: Finding) -> FindingRecord:
    return FindingRecord(made.label, made.code.value, made.code.scheme, made.code.meaning, made.score,
                         made.level.value, made.abnormal, finding_to_json(made))  # fmt: skip


def analysis(*made: Finding) -> StoredAnalysis:
    outcomes = (
        OutcomeRecord("1.1", None, None, tuple(record(one) for one in made)),
        OutcomeRecord("1.2", "view", "it is a lateral view", ()),
    )
    return StoredAnalysis(
        7, StudyHeader("1.9"), "1.9", 2, MODEL.name, MODEL.version, MODEL.digest, MODEL.engine, 0.1, outcomes, {}, NOW,
        None, (),
    )  # fmt: skip


def recorded(given: GivenAnswer, number: int = 1, user: str = "jane") -> RecordedAnswer:
    return RecordedAnswer(
        number, given.study_uid, given.revision, given.subject, given.model, given.answer, given.box, given.comment,
        user, NOW,
    )  # fmt: skip


def test_each_finding_and_each_region_has_a_row_under_the_reports_tracking_uid() -> None:
    scored = finding("mass", 0.5, stated=False)
    (panel,) = panels_of(analysis(*findings(), scored), [], SIZES, {"1.1": 1, "1.2": 2}, "jane")
    told = [(row.subject.label, row.subject.position, row.said, row.scored_only) for row in panel.rows]
    assert told == [
        ("lung_opacity", 0, "present 91\xa0%", False), ("lung_opacity", 1, "present 91\xa0%", False),
        ("lung_opacity", 2, "undetermined 50\xa0%", False), ("covid", 0, "undetermined 50\xa0%", False),
        ("normal", 0, "unlikely", False), ("mass", 0, "scored only, 50\xa0%, above its point", True),
    ]  # fmt: skip
    assert panel.rows[2].subject.uid == tracking_uid(MODEL, "1.1", "lung_opacity", 2)
    assert panel.rows[2].box == DrawnBox(60, 200, 130, 260)
    assert [row.subject.claimed for row in panel.rows] == [True, True, True, True, False, True]
    assert panel.labels == (
        ("lung_opacity", "Lung opacity"), ("covid", "Pneumonia caused by SARS-CoV-2"), ("mass", "Mass"),
    )  # fmt: skip


def test_an_answer_to_a_region_keeps_the_box_that_it_is_about() -> None:
    region = tracking_uid(MODEL, "1.1", "lung_opacity", 1)
    given = given_answer(analysis(*findings()), AnswerForm("disagree", region, box={"x": "5"}), SIZES)
    assert given.box == DrawnBox(180, 150, 260, 280)


def test_a_panel_shows_whose_answer_is_whose_and_what_was_superseded() -> None:
    stored = analysis(*findings())
    uid = tracking_uid(MODEL, "1.1", "lung_opacity", 0)
    agree = given_answer(stored, AnswerForm("agree", uid), SIZES)
    disagree = given_answer(stored, AnswerForm("disagree", uid), SIZES)
    told = [recorded(agree, 1), recorded(disagree, 2), recorded(agree, 3, "john")]
    (panel,) = panels_of(stored, told, SIZES, {"1.1": 1}, "jane")
    row = panel.rows[0]
    assert row.mine is not None
    assert row.mine.answer is Answer.DISAGREE
    assert [(one.user, one.answer) for one in row.given] == [("jane", Answer.DISAGREE), ("john", Answer.AGREE)]
    assert [one.id for one in panel.earlier] == [1]


def test_answers_to_another_version_are_shown_apart() -> None:
    stored = analysis(*findings())
    uid = tracking_uid(MODEL, "1.1", "lung_opacity", 0)
    told = [recorded(given_answer(stored, AnswerForm("agree", uid), SIZES))]
    newer = StoredAnalysis(
        **{name: getattr(stored, name) for name in StoredAnalysis.__slots__} | {"model_digest": "e" * 64}
    )
    (panel,) = panels_of(newer, told, SIZES, {"1.1": 1}, "jane")
    assert [one.id for one in panel.others] == [1]
    assert not any(row.given for row in panel.rows)


def test_an_added_finding_is_the_packages_or_in_the_readers_words() -> None:
    stored = analysis(*findings())
    box = {"x": "1", "y": "2.5", "width": "10", "height": "20"}
    known = given_answer(stored, AnswerForm("added", image="1.1", label="covid", box=box), SIZES)
    assert (known.subject.kind, known.subject.label) == (SubjectKind.ADDED, "covid")
    assert known.subject.name == "Pneumonia caused by SARS-CoV-2"
    assert known.box == DrawnBox(1, 2.5, 11, 22.5)
    free = given_answer(stored, AnswerForm("added", image="1.1", word=" Old rib\nfracture "), SIZES)
    assert (free.subject.label, free.subject.name, free.box) == ("", "Old ribfracture", None)
    assert free.subject.uid != given_answer(stored, AnswerForm("added", image="1.1", word="x"), SIZES).subject.uid


@pytest.mark.parametrize(
    "form",
    [
        AnswerForm("agree", "2.25.99"),
        AnswerForm("perhaps", tracking_uid(MODEL, "1.1", "lung_opacity", 0)),
        AnswerForm("added", image="1.1"),
        AnswerForm("added", image="1.2", word="x"),
        AnswerForm("withdrawn", "2.25.99", image="9.9"),
        AnswerForm("corrected", tracking_uid(MODEL, "1.1", "lung_opacity", 1), box={"x": ""}),
        AnswerForm("corrected", tracking_uid(MODEL, "1.1", "lung_opacity", 0), box=dict.fromkeys(
            ("x", "y", "width", "height"), "5")),
    ],
)  # fmt: skip
def test_what_the_analysis_does_not_say_cannot_be_answered(form: AnswerForm) -> None:
    with pytest.raises(ActionRefused):
        given_answer(analysis(*findings()), form, SIZES)


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        (("a", "1", "1", "1"), (400, 320)), (("1", "", "1", "1"), (400, 320)), (("nan", "1", "1", "1"), (400, 320)),
        (("1", "1", "inf", "1"), (400, 320)), (("-9", "1", "20", "1"), (400, 320)), (("1", "1", "0", "1"), (400, 320)),
        (("300", "1", "40", "1"), (400, 320)), (("1", "1", "1", "1"), None),
    ],
)  # fmt: skip
def test_what_is_no_box_of_the_image_is_refused(sides: tuple[str, ...], size: tuple[int, int] | None) -> None:
    with pytest.raises(ActionRefused):
        read_box(dict(zip(("x", "y", "width", "height"), sides, strict=True)), size)


@drawn(*[st.text(max_size=6)] * 4)
def test_any_four_texts_are_a_box_within_the_image_or_none(x: str, y: str, width: str, height: str) -> None:
    try:
        box = read_box({"x": x, "y": y, "width": width, "height": height}, (400, 320))
    except ActionRefused:
        return
    assert box is None or (0 <= box.x0 <= box.x1 <= 320 and 0 <= box.y0 <= box.y1 <= 400)

"""Answers of radiologists: kept, superseded and never overwritten, with an audit line that holds no free text."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from config.errors import ActionRefused
from tracking.answers import feedback
from tracking.answers.feedback import (
    Answer,
    AnsweredModel,
    DrawnBox,
    FeedbackFilter,
    GivenAnswer,
    RecordedAnswer,
    Subject,
    SubjectKind,
)
from tracking.audit_log import audit
from tracking.engine.clock import to_datetime
from tracking.engine.database import Database
from tracking.people.users import Actor
from tracking.studies import corrections

MODEL = AnsweredModel("m", "1.0", "d" * 64)
FINDING = Subject("2.25.1", SubjectKind.FINDING, "1.1", "opacity", "Opacity", 0, claimed=True)
REGION = replace(FINDING, uid="2.25.2", kind=SubjectKind.REGION, position=1)
IMAGE = Subject("2.25.3", SubjectKind.IMAGE, "1.1")
ADDED = Subject("2.25.4", SubjectKind.ADDED, "1.1", "", "Old rib fracture")
JANE, JOHN = Actor("jane", "192.0.2.1"), Actor("john")
ALL = FeedbackFilter()


def answer(subject: Subject = FINDING, what: Answer = Answer.AGREE, **changes: object) -> GivenAnswer:
    return GivenAnswer("1.9", 1, subject, MODEL, what, **changes)  # type: ignore[arg-type]


@pytest.fixture
def say(database: Database, receive: Callable[..., object], analyse: Callable[..., None]) -> Callable[..., int | None]:
    """Return a function that records an answer about the one image of study 1.9."""
    receive("1.1")
    analyse("1.9", 1, "1.1")

    def record(given: GivenAnswer, by: Actor = JANE) -> int | None:
        with database.transaction() as tx:
            return feedback.record_answer(tx, given, by=by)

    return record


def answers(database: Database) -> list[RecordedAnswer]:
    with database.reading() as read:
        return feedback.answers_of(read, "1.9")


def test_a_later_answer_supersedes_and_both_stay(database: Database, say: Callable[..., int | None]) -> None:
    say(answer())
    say(answer(what=Answer.DISAGREE))
    say(answer(), JOHN)
    assert [(one.user, one.answer.value) for one in answers(database)] == [
        ("jane", "agree"), ("jane", "disagree"), ("john", "agree"),
    ]  # fmt: skip
    current = feedback.current_answers(answers(database))
    assert [(one.user, one.answer.value) for one in current] == [("jane", "disagree"), ("john", "agree")]
    with database.reading() as read:
        assert feedback.count_answers(read, ALL) == 2
        assert [one.id for one in feedback.list_answers(read, ALL, limit=5)] == [one.id for one in current][::-1]


def test_an_answer_keeps_all_that_it_is_about(database: Database, say: Callable[..., int | None]) -> None:
    say(answer(REGION, Answer.CORRECTED, box=DrawnBox(1, 2.5, 30, 40)))
    (kept,) = answers(database)
    assert (kept.subject, kept.model, kept.revision) == (REGION, MODEL, 1)
    assert kept.box == DrawnBox(1, 2.5, 30, 40)


def test_the_same_answer_twice_is_one(database: Database, say: Callable[..., int | None]) -> None:
    assert say(answer()) is not None
    assert say(answer()) is None
    assert say(answer(ADDED, Answer.ADDED)) is not None
    assert say(answer(replace(ADDED, uid="2.25.5"), Answer.ADDED)) is None
    assert say(answer(IMAGE, Answer.WITHDRAWN)) is None, "nothing was there to take back"
    assert len(answers(database)) == 2


def test_what_is_taken_back_is_no_answer_and_stays_on_record(
    database: Database, say: Callable[..., int | None]
) -> None:
    say(answer())
    say(answer(what=Answer.WITHDRAWN))
    assert feedback.current_answers(answers(database)) == []
    assert len(answers(database)) == 2
    say(answer())
    assert len(feedback.current_answers(answers(database))) == 1


def test_the_audit_line_names_the_person_and_holds_no_free_text(
    database: Database, say: Callable[..., int | None]
) -> None:
    say(answer(IMAGE, Answer.COMMENT, comment="Mrs Doe had this in 2019"))
    say(answer(ADDED, Answer.ADDED))
    with database.reading() as read:
        lines = list(audit.lines(read, study_uid="1.9", types={audit.AuditEventType.FEEDBACK_GIVEN}))
        assert audit.verify(read).intact
    assert [line.detail["user"] for line in lines] == ["jane", "jane"]
    assert lines[0].detail["comment"] is True
    text = str([line.detail for line in lines])
    assert "Doe" not in text
    assert "rib" not in text


@pytest.mark.parametrize(
    "refused",
    [
        lambda: answer(what=Answer.CORRECTED),
        lambda: answer(REGION, Answer.CORRECTED),
        lambda: answer(REGION, Answer.CORRECTED, box=DrawnBox(5, 5, 5, 9)),
        lambda: answer(IMAGE, Answer.COMMENT),
        lambda: answer(IMAGE, Answer.COMMENT, comment="x" * 1001),
        lambda: answer(replace(ADDED, name=""), Answer.ADDED),
        lambda: answer(IMAGE, Answer.AGREE),
    ],
)
def test_what_is_no_answer_is_refused(refused: Callable[[], GivenAnswer]) -> None:
    with pytest.raises(ActionRefused):
        refused()


def test_a_result_that_does_not_hold_takes_no_answer_and_exports_none(
    database: Database, say: Callable[..., int | None], receive: Callable[..., object]
) -> None:
    say(answer())
    receive("1.2")
    with database.reading() as read:
        (image,) = feedback.answered_images(read, ALL)
        assert (image.instance_uid, image.path, image.study.study_uid) == ("1.1", "ab/cd", "1.9")
    with database.transaction() as tx:
        corrections.reject_instance(tx, "1.9", "1.1", user="admin")
    with database.reading() as read:
        assert feedback.answered_images(read, ALL) == []
    with pytest.raises(ActionRefused):
        say(answer(what=Answer.DISAGREE))


def test_a_filter_chooses_by_time_and_model(database: Database, say: Callable[..., int | None]) -> None:
    say(answer())
    (kept,) = answers(database)
    later = to_datetime(int(kept.at.timestamp() * 1000) + 1000)
    chosen = {
        FeedbackFilter(first=kept.at): 1, FeedbackFilter(first=later): 0, FeedbackFilter(before=kept.at): 0,
        FeedbackFilter(before=later): 1, FeedbackFilter(model="m"): 1, FeedbackFilter(model="m 1.0"): 1,
        FeedbackFilter(model="m 2.0"): 0, FeedbackFilter(model="other"): 0,
    }  # fmt: skip
    with database.reading() as read:
        assert {which: feedback.count_answers(read, which) for which in chosen} == chosen


@drawn(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from(list(Answer)))))
def test_of_each_person_and_subject_the_last_answer_is_current(story: list[tuple[str, str, Answer]]) -> None:
    told = [
        RecordedAnswer(number, "1.9", 1, replace(FINDING, uid=uid), MODEL, what, None, "", user, to_datetime(0))
        for number, (user, uid, what) in enumerate(story)
    ]
    current = {(one.user, one.subject.uid): one.answer for one in feedback.current_answers(told)}
    last = {(user, uid): what for user, uid, what in story}
    assert current == {key: what for key, what in last.items() if what is not Answer.WITHDRAWN}

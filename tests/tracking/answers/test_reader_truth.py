"""What answers make known: yes, no or unknown, and which boxes count."""

from dataclasses import replace

from hypothesis import given as drawn
from hypothesis import strategies as st

from tracking.answers.feedback import (
    Answer,
    AnsweredFinding,
    AnsweredImage,
    AnsweredModel,
    DrawnBox,
    RecordedAnswer,
    Subject,
    SubjectKind,
)
from tracking.answers.reader_truth import overlap, truth_of
from tracking.engine.clock import to_datetime
from tracking.studies.instances import StudyHeader

MODEL = AnsweredModel("m", "1.0", "d" * 64)
FINDINGS = (
    AnsweredFinding("opacity", "Opacity", claimed=True, abnormal=True, regions=2),
    AnsweredFinding("mass", "Mass", claimed=False, abnormal=True),
    AnsweredFinding("nodule", "Nodule", claimed=False, abnormal=True),
    AnsweredFinding("normal", "Normal", claimed=False, abnormal=False),
)
BOX, OTHER = DrawnBox(10, 10, 50, 50), DrawnBox(100, 100, 150, 160)
Told = tuple[str, str, Answer]


def finding(label: str) -> Subject:
    claimed = next(one.claimed for one in FINDINGS if one.label == label)
    return Subject(f"f-{label}", SubjectKind.FINDING, "1.1", label, label, claimed=claimed)


REGIONS = [
    Subject(f"r-{number}", SubjectKind.REGION, "1.1", "opacity", "Opacity", number, claimed=True) for number in (1, 2)
]
IMAGE = Subject("i", SubjectKind.IMAGE, "1.1")
ADDED = Subject("a", SubjectKind.ADDED, "1.1", "nodule", "Nodule")


def image(*told: tuple[str, Subject, Answer] | tuple[str, Subject, Answer, DrawnBox]) -> AnsweredImage:
    answers = tuple(
        RecordedAnswer(number, "1.9", 1, subject, MODEL, answer, box[0] if box else None, "", user, to_datetime(0))
        for number, (user, subject, answer, *box) in enumerate(told)
    )
    return AnsweredImage(StudyHeader("1.9"), "1.1", "ab/cd", answers, FINDINGS)


def test_agreement_is_with_what_the_model_claims() -> None:
    truth = truth_of(
        image(("a", finding("opacity"), Answer.AGREE), ("a", finding("mass"), Answer.AGREE),
              ("a", finding("nodule"), Answer.DISAGREE), ("a", finding("normal"), Answer.UNSURE))
    )  # fmt: skip
    assert truth.truths == {"opacity": True, "mass": False, "nodule": True, "normal": None}
    assert truth.complete == {"mass"}


def test_nobodys_answer_is_unknown_and_not_no() -> None:
    assert truth_of(image(("a", finding("mass"), Answer.UNSURE))).truths == dict.fromkeys(
        ("opacity", "mass", "nodule", "normal")
    )


def test_nothing_missed_says_no_of_what_the_model_does_not_claim() -> None:
    missed = ("a", IMAGE, Answer.NOTHING_MISSED)
    assert truth_of(image(missed)).truths == {"opacity": None, "mass": False, "nodule": False, "normal": None}
    unsure = truth_of(image(missed, ("a", finding("mass"), Answer.UNSURE), ("a", ADDED, Answer.ADDED, BOX)))
    assert (unsure.truths["mass"], unsure.truths["nodule"]) == (None, True)


def test_readers_who_differ_leave_a_label_unknown() -> None:
    truth = truth_of(image(("a", finding("opacity"), Answer.AGREE), ("b", finding("opacity"), Answer.DISAGREE)))
    assert truth.truths["opacity"] is None
    assert (truth.disputed, truth.readers) == ({"opacity"}, 2)


def test_a_reader_who_contradicts_themselves_says_nothing() -> None:
    truth = truth_of(image(("a", finding("opacity"), Answer.DISAGREE), ("a", REGIONS[0], Answer.AGREE, BOX)))
    assert (truth.truths["opacity"], truth.disputed) == (None, frozenset())


def test_boxes_are_accepted_corrected_left_out_and_added() -> None:
    truth = truth_of(
        image(
            ("a", REGIONS[0], Answer.AGREE, BOX), ("b", REGIONS[0], Answer.CORRECTED, OTHER),
            ("a", REGIONS[1], Answer.AGREE, BOX), ("b", REGIONS[1], Answer.DISAGREE, BOX),
            ("a", replace(ADDED, label="opacity"), Answer.ADDED, DrawnBox(102, 101, 150, 160)),
            ("a", ADDED, Answer.ADDED, BOX), ("a", IMAGE, Answer.NOTHING_MISSED),
            ("a", replace(ADDED, uid="w", label="", name="Wire"), Answer.ADDED, BOX),
        )
    )  # fmt: skip
    assert [(entry.label, entry.box) for entry in truth.boxes] == [("opacity", OTHER), ("nodule", BOX)]
    assert truth.complete == {"opacity", "mass"}
    assert truth.own_words == 1


@drawn(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["opacity", "mass", "nodule", "normal"]),
            st.sampled_from([Answer.AGREE, Answer.DISAGREE, Answer.UNSURE]),
        ),
        unique_by=lambda told: told[:2],
    )
)
def test_a_label_is_known_only_where_somebody_says_it_and_nobody_says_otherwise(told: list[Told]) -> None:
    truth = truth_of(image(*((user, finding(label), answer) for user, label, answer in told)))
    for label, known in truth.truths.items():
        claimed = finding(label).claimed
        said = {(answer is Answer.AGREE) == claimed for _, of, answer in told if of == label and answer != "unsure"}
        assert known == (next(iter(said)) if len(said) == 1 else None)


sides = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50))


@drawn(sides, sides)
def test_overlap_is_symmetric_and_whole_with_itself(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    first, second = (DrawnBox(x, y, x + width, y + height) for x, y, width, height in (one, other))
    assert overlap(first, first) == 1
    assert overlap(first, second) == overlap(second, first)
    assert 0 <= overlap(first, second) <= 1

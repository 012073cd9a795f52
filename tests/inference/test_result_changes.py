"""What would change is told by class, of what may be stated."""

from inference.result_changes import Change, changes_of, count_changes
from tracking.results.analyses import FindingRecord, OutcomeRecord


def outcome(**levels: str) -> OutcomeRecord:
    """Return an outcome with findings at these levels; ``scored`` is scored only."""
    findings = tuple(
        FindingRecord(label, "1", "DCM", label, 0.5, level, True, {"stated": label != "scored"})
        for label, level in levels.items()
    )
    return OutcomeRecord("1.1", None, None, findings)


REFUSED = OutcomeRecord("1.1", "view", "it is a lateral view", ())


def test_only_another_class_is_a_change() -> None:
    before = outcome(opacity="absent", effusion="present", scored="absent")
    now = outcome(opacity="present", effusion="present", scored="present")
    assert changes_of("1.1", before, now) == [Change("1.1", "opacity", "absent", "present")]
    assert changes_of("1.1", before, before) == []


def test_an_image_as_a_whole() -> None:
    assert changes_of("1.1", outcome(opacity="absent"), REFUSED) == [Change("1.1", "", "analysed", "not analysed")]
    assert changes_of("1.1", REFUSED, REFUSED) == []
    assert changes_of("1.1", None, outcome(opacity="absent")) == [Change("1.1", "", "no result", "analysed")]


def test_a_finding_that_is_new_or_gone_is_a_change() -> None:
    assert changes_of("1.1", outcome(mass="absent"), outcome(nodule="absent")) == [
        Change("1.1", "mass", "absent", "no result"), Change("1.1", "nodule", "no result", "absent"),
    ]  # fmt: skip


def test_changes_are_counted_the_most_frequent_first() -> None:
    changes = [Change("1", "a", "x", "y"), Change("1", "b", "x", "y"), Change("2", "b", "x", "y")]
    assert list(count_changes(changes).items()) == [(("b", "x", "y"), 2), (("a", "x", "y"), 1)]

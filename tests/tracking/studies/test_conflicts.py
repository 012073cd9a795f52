"""Two patients in one study: what stands, what is withheld, and what shows."""

import pytest
from sqlalchemy import update

from config.errors import ActionRefused
from tests.tracking.books import JANE, MARY, Books
from tracking.audit_log import audit
from tracking.lists import queries
from tracking.outbox.documents import note_left_out
from tracking.results.analyses import instances_of
from tracking.studies import conflicts
from tracking.studies.instances import Registered, association_released
from tracking.tables.models import Analysis, Delivery, Document, Instance


def test_a_second_patient_ends_all_work_and_shows(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    assert books.analyse() == []
    study = books.study()
    assert (study.status, study.findings, study.documents) == ("conflict", (), ())
    assert [(patient.identity, patient.images) for patient in study.patients] == [(JANE, ("1.1",)), (MARY, ("1.2",))]
    assert books.events() == ["instance-received", "instance-received", "study-conflict"]
    with books.database.reading() as read:
        line = list(audit.lines(read))[-1]
        assert queries.studies_in_conflict(read) == ["1.9"]
        assert instances_of(read, "1.9", 1) == []
    assert line.outcome == "serious-failure"
    assert "Patient ID" in str(line.detail["differing"])
    assert not any(value in str(line.detail) for value in ("PAT-A", "PAT-B", "Doe", "Roe", "19600101"))


def test_more_images_of_either_patient_change_nothing(books: Books) -> None:
    for number, patient in enumerate([JANE, MARY, JANE, MARY]):
        books.receive(f"1.{number}", patient)
        with books.database.transaction() as tx:
            association_released(tx, ["1.9"], settle_seconds=0)
    assert books.analyse() == []
    assert books.events().count("study-conflict") == 1
    assert [len(patient.images) for patient in books.study().patients] == [2, 2]


def test_an_image_that_joins_a_conflict_is_not_compared(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender with one Study Instance UID for everything brings thousands of patients."""

    def compare(_: object) -> tuple[str, ...]:
        raise AssertionError("the patients of a study in conflict are compared again")

    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    monkeypatch.setattr(conflicts, "contradictions_among", compare)
    assert books.receive("1.3", JANE) is Registered.NEW
    assert books.study().status == "conflict"


def test_an_image_of_another_study_is_no_concern(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY, study="1.10")
    assert {books.study("1.9").status, books.study("1.10").status} == {"received"}


def test_what_was_claimed_before_the_second_patient_came_is_not_recorded(books: Books) -> None:
    books.receive("1.1", JANE)
    job = books.claim()
    assert job is not None
    record = books.look_at(job)
    books.receive("1.2", MARY)
    books.finish(job, record)
    assert books.count(Analysis) == 0
    assert books.events()[-1] == "result-withheld"
    assert books.report() is None


def test_documents_under_way_when_the_second_patient_comes_are_not_recorded(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    job = books.claim("report")
    assert job is not None
    books.receive("1.2", MARY)
    books.build(job)
    assert books.count(Document) == 0
    assert books.count(Delivery) == 0
    assert books.events()[-1] == "result-withheld"


def test_a_report_that_is_due_when_the_second_patient_comes_is_never_begun(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.receive("1.2", MARY)
    assert books.claim("report") is None


def test_results_sent_before_show_in_the_conflict(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    with books.database.transaction() as tx:
        note_left_out(tx, 1, "1.1", [{"kind": "mirrored", "text": "the heart lies on the right"}])
    assert len(books.study().remarks) == 1
    books.deliver()
    books.receive("1.2", MARY)
    study = books.study()
    assert (study.findings, study.remarks) == ((), ())
    assert [patient.delivered for patient in study.patients] == [1, 0]
    with books.database.reading() as read:
        line = next(line for line in audit.lines(read) if line.type == "study-conflict")
        assert line.detail["delivered_before"] == 1
        assert conflicts.is_withheld(read, "1.9", 1)


def test_a_late_image_of_the_rejected_patient_makes_a_conflict_again(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    books.resolve("PAT-A")
    books.receive("1.3", MARY)
    assert books.study().status == "conflict"
    assert books.events().count("study-conflict") == 2


def test_a_file_that_names_two_patients_is_a_conflict_by_itself(books: Books) -> None:
    books.receive("1.1", JANE, repeated={"patient_id": "OTHER"})
    study = books.study()
    assert study.status == "conflict"
    assert [(p.identity.patient_id, p.images, p.second) for p in study.patients] == [
        ("PAT-A", ("1.1",), ()),
        ("OTHER", ("1.1",), ("1.1",)),
    ]
    assert conflicts.ways_out("1.9", study.patients) == ["cxrnode study reject 1.9 --instance UID"]
    with pytest.raises(ActionRefused, match="Patient ID twice"):
        books.resolve("PAT-A")
    with pytest.raises(ActionRefused, match="no image"):
        books.resolve("OTHER")
    books.reject("1.1")
    assert books.study().status == "rejected"


def test_a_file_with_two_study_uids_is_a_conflict_and_says_so(books: Books) -> None:
    books.receive("1.1", JANE, repeated={"Study Instance UID": "1.10"})
    assert books.study().status == "conflict"
    with books.database.reading() as read:
        assert list(audit.lines(read))[-1].detail["held_twice"] == "Study Instance UID"


def test_an_image_of_an_earlier_version_contradicts_nobody_and_is_of_nobody(books: Books) -> None:
    books.receive("1.1", JANE)
    with books.database.transaction() as tx:
        tx.execute(update(Instance).values(patient_id=None))
    books.receive("1.2", MARY)
    assert books.study().status == "received"
    assert books.resolve("PAT-B").rejected == ("1.1",)


def test_images_of_two_patients_over_many_associations_at_once_are_one_conflict(books: Books) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda number: books.receive(f"1.{number}", (JANE, MARY)[number % 2]), range(8)))
    assert outcomes == [Registered.NEW] * 8
    assert books.study().status == "conflict"
    assert books.analyse() == []
    assert books.events().count("study-conflict") == 1

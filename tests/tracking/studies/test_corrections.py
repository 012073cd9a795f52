"""Resolving a conflict, and rejecting images."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from config.errors import ActionRefused
from tests.tracking.books import JANE, MARY, USER, Books
from tracking.audit_log import audit
from tracking.lists import queries
from tracking.outbox.deliveries import load_delivery
from tracking.results.analyses import load_analysis, load_study
from tracking.studies import conflicts, corrections
from tracking.studies.instances import Registered
from tracking.studies.patient import PatientIdentity
from tracking.tables.models import Analysis, Delivery, Job


def test_resolving_keeps_one_patient_and_makes_a_new_revision(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    books.receive("1.2", MARY)
    outcome = books.resolve("PAT-B")
    assert outcome == corrections.Resolution(("1.2",), ("1.1",), changed=True)
    study = books.study()
    assert (study.status, study.rejected) == ("received", 1)
    with books.database.reading() as read:
        assert load_study(read, "1.9").patient_id == "PAT-B"
        assert load_study(read, "1.9").accession_number == "ACC-PAT-B"
    assert books.analyse() == ["1.2"]
    latest = books.report()
    assert latest is not None
    with books.database.reading() as read:
        analysis = load_analysis(read, latest)
        assert [image.instance_uid for image in analysis.instances] == ["1.2"]
        assert analysis.supersedes is not None
        before = load_analysis(read, analysis.supersedes)
        assert [image.instance_uid for image in before.instances] == ["1.1"]
        lines = [line for line in audit.lines(read) if line.type in {"instance-rejected", "study-resolved"}]
        assert audit.verify(read).intact
    assert [line.detail["user"] for line in lines] == [USER, USER]
    assert books.study().status == "reported"


def test_resolving_again_changes_nothing_and_the_other_way_turns_it_round(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    books.resolve("PAT-A")
    events = books.events()
    assert books.resolve("PAT-A ") == corrections.Resolution(("1.1",), ("1.2",), changed=False)
    assert books.events() == events
    assert books.resolve("PAT-B").changed
    assert books.analyse() == ["1.2"]
    with books.database.reading() as read:
        restored = [line for line in audit.lines(read) if line.type == "instance-restored"]
    assert [line.detail for line in restored] == [
        {"user": USER, "instance_uid": "1.2", "was_rejected": "other-patient"}
    ]


def test_what_was_claimed_before_resolving_is_not_recorded_after(books: Books) -> None:
    books.receive("1.1", JANE)
    job = books.claim()
    assert job is not None
    record = books.look_at(job)
    books.receive("1.2", MARY)
    books.resolve("PAT-B")
    books.finish(job, record)
    assert books.count(Analysis) == 0
    assert books.analyse() == ["1.2"]


def test_documents_of_a_rejected_image_do_not_leave_after_resolving(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    books.receive("1.2", MARY)
    books.resolve("PAT-B")
    with books.database.reading() as read:
        delivery = load_delivery(read, read.scalars(select(Delivery.id)).one())
        assert conflicts.is_withheld(read, delivery.study_uid, delivery.revision)


@pytest.mark.parametrize(
    ("images", "patient", "issuer", "words"),
    [
        ([JANE, MARY], "PAT-C", None, "no image"),
        ([JANE, MARY], "PAT-A", "X", "no image"),
        (
            [replace(JANE, issuer_of_patient_id="X"), replace(JANE, issuer_of_patient_id="Y")],
            "PAT-A", None, "--issuer",
        ),
        ([JANE, replace(JANE, patient_birth_date="19610101")], "PAT-A", None, "Patient's Birth Date"),
        ([JANE, replace(MARY, patient_id="PAT-A"), MARY], "PAT-A", None, "Patient's Name"),
    ],
    ids=["nobody", "other issuer", "two issuers", "birth date", "name"],
)  # fmt: skip
def test_what_cannot_be_resolved_is_refused_with_the_reason_and_nothing_changes(
    books: Books, images: list[PatientIdentity], patient: str, issuer: str | None, words: str
) -> None:
    for number, identity in enumerate(images):
        books.receive(f"1.{number}", identity)
    events = books.events()
    with pytest.raises(ActionRefused, match=words) as refused:
        books.resolve(patient, issuer)
    assert books.events() == events
    assert books.study().status == "conflict"
    assert not any(value in str(refused.value) for value in ("PAT-", "Doe", "1960"))


def test_the_issuer_tells_two_patients_of_one_id_apart(books: Books) -> None:
    books.receive("1.1", replace(JANE, issuer_of_patient_id="X"))
    books.receive("1.2", replace(JANE, issuer_of_patient_id="Y"))
    study = books.study()
    assert conflicts.ways_out("1.9", study.patients)[:2] == [
        "cxrnode study resolve 1.9 --patient PAT-A --issuer X",
        "cxrnode study resolve 1.9 --patient PAT-A --issuer Y",
    ]
    assert books.resolve("PAT-A", "Y").kept == ("1.2",)
    assert books.analyse() == ["1.2"]


def test_rejecting_the_odd_image_ends_the_conflict(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", replace(JANE, patient_birth_date="19610101"))
    assert not any("resolve" in command for command in conflicts.ways_out("1.9", books.study().patients))
    assert books.reject("1.2")
    assert not books.reject("1.2")
    assert books.analyse() == ["1.1"]
    with books.database.reading() as read:
        assert [image.rejected for image in queries.instances(read, "1.9")] == [None, "by-hand"]


def test_a_rejected_image_that_comes_again_stays_rejected(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    books.reject("1.2")
    assert books.receive("1.2", MARY) is Registered.DUPLICATE
    assert books.study().status == "received"
    assert books.analyse() == ["1.1"]


def test_a_study_whose_images_are_all_rejected_is_rejected_until_another_comes(books: Books) -> None:
    books.receive("1.1", JANE)
    books.reject("1.1")
    assert books.study().status == "rejected"
    assert books.analyse() == []
    books.receive("1.2", MARY)
    with books.database.reading() as read:
        assert load_study(read, "1.9").patient_id == "PAT-B"
    assert books.analyse() == ["1.2"]


@pytest.mark.parametrize("action", ["resolve", "reject", "accept"])
def test_a_study_or_image_that_is_not_there_is_refused(books: Books, action: str) -> None:
    with pytest.raises(ActionRefused, match="cxrnode stud"):
        getattr(books, action)("1.1")
    books.receive("1.1", JANE)
    with pytest.raises(ActionRefused, match="cxrnode stud"):
        getattr(books, action)("7.7")


@pytest.mark.parametrize("action", ["resolve", "reject", "accept"])
def test_an_action_that_fails_before_its_commit_leaves_nothing_behind(
    books: Books, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    books.receive("1.2", JANE, sha256="b" * 64)
    before = (books.events(), books.study())

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("tracking.audit_log.audit.write_pending", fail)
    with pytest.raises(RuntimeError):
        getattr(books, action)("PAT-A" if action == "resolve" else "1.2")
    monkeypatch.undo()
    assert (books.events(), books.study()) == before
    with books.database.reading() as read:
        assert read.scalars(select(Job.key).where(Job.queue == "analyse", Job.state == "open")).all() == []

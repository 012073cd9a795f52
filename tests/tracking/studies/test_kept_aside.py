"""Other bytes under a known UID: kept aside, accepted, dismissed."""

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from config.errors import ActionRefused, ConfirmationNeeded
from tests.tracking.books import JANE, MARY, USER, Books
from tracking.audit_log import audit
from tracking.lists import queries
from tracking.results.analyses import instances_of, load_analysis, load_study
from tracking.studies import corrections
from tracking.studies.instances import Registered, register_conflict
from tracking.studies.patient import PatientIdentity
from tracking.tables.models import Analysis, Conflict


def test_a_corrected_image_shows_and_is_accepted_with_all_that_follows(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    assert books.receive("1.1", MARY, sha256="b" * 64) is Registered.CONFLICT
    (kept,) = books.study().kept_aside
    assert (kept.instance_uid, kept.patient, kept.differing[:2]) == ("1.1", MARY, ("Patient ID", "Patient's Name"))
    with books.database.reading() as read:
        assert queries.studies_with_files_kept_aside(read) == {"1.9": 1}
    assert books.accept("1.1") == corrections.Acceptance("1.9", "b" * 64, changed=True)
    assert not books.accept("1.1").changed
    assert books.study().kept_aside == ()
    with books.database.reading() as read:
        header = load_study(read, "1.9")
        assert (header.patient_id, header.patient_name) == ("PAT-B", "Roe^Mary")
        (image,) = instances_of(read, "1.9", 2)
        assert (image.path, image.patient) == (f"conflicts/{'b' * 8}.dcm", MARY)
        replaced = read.scalars(select(Conflict)).one()
        assert (replaced.state, replaced.sha256, replaced.path, replaced.patient_id) == (
            "replaced",
            "a" * 64,
            "0/0/1.1.dcm",
            "PAT-A",
        )
        line = next(line for line in audit.lines(read) if line.type == "instance-accepted")
        assert (line.detail["user"], line.detail["replaced_sha256"]) == (USER, "a" * 64)
    assert books.analyse() == ["1.1"]
    latest = books.report()
    assert latest is not None
    with books.database.reading() as read:
        assert load_analysis(read, latest).supersedes is not None


def test_findings_on_the_bytes_that_were_replaced_are_not_recorded(books: Books) -> None:
    books.receive("1.1", JANE)
    job = books.claim()
    assert job is not None
    record = books.look_at(job)
    books.receive("1.1", MARY, sha256="b" * 64)
    books.accept("1.1")
    books.finish(job, record)
    assert books.count(Analysis) == 0


def test_bytes_that_stood_or_stand_bring_nothing_back_when_they_come_again(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64)
    books.accept("1.1")
    assert books.receive("1.1", JANE) is Registered.CONFLICT
    assert books.receive("1.1", MARY, sha256="b" * 64) is Registered.DUPLICATE
    with books.database.transaction() as tx:  # found to be other bytes just before they were accepted
        register_conflict(tx, books.incoming("1.1", MARY, sha256="b" * 64))
    assert books.study().kept_aside == ()
    assert books.accept("1.1", sha256="aaaa").changed
    with books.database.reading() as read:
        assert load_study(read, "1.9").patient_id == "PAT-A"


def test_of_several_files_the_digest_says_which_and_others_can_be_dismissed(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64)
    books.receive("1.1", MARY, sha256="c" * 64)
    with pytest.raises(ActionRefused, match="--sha256"):
        books.accept("1.1")
    with pytest.raises(ActionRefused, match="nothing waits"):
        books.accept("1.1", sha256="dd")
    assert books.accept("1.1", sha256="cc").sha256 == "c" * 64
    assert (books.dismiss("1.1"), books.dismiss("1.1")) == (1, 0)
    assert books.receive("1.1", MARY, sha256="b" * 64) is Registered.CONFLICT
    assert books.study().kept_aside == ()


def test_a_file_that_is_dismissed_while_it_is_accepted_is_refused(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dismissed_meanwhile(tx: Session, study_uid: str) -> None:
        lock(tx, study_uid)
        tx.execute(
            update(Conflict)
            .where(Conflict.state == "waiting")
            .values(state="dismissed")
            .execution_options(synchronize_session=False)
        )

    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64)
    books.accept("1.1")
    books.receive("1.1", MARY, sha256="c" * 64, study="1.10")
    lock = corrections._lock
    monkeypatch.setattr(corrections, "_lock", dismissed_meanwhile)
    with pytest.raises(ActionRefused, match="meanwhile"):
        books.accept("1.1")
    assert books.study("1.10").status == "waiting"


def test_a_corrected_copy_in_another_study_moves_the_image(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    (kept,) = books.study().kept_aside
    assert kept.study_uid == "1.10"
    assert books.accept("1.1") == corrections.Acceptance("1.10", "b" * 64, changed=True)
    assert not books.accept("1.1").changed
    assert (books.study("1.9").status, books.study("1.10").status) == ("rejected", "received")
    assert books.analyse() == ["1.1"]
    assert books.study("1.10").status == "analysed"
    assert books.analyse() == []


def test_a_corrected_copy_that_joins_another_study_can_make_a_conflict_there(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    books.receive("1.3", JANE, study="1.10")
    books.receive("1.2", MARY, sha256="b" * 64, study="1.10")
    books.accept("1.2")
    assert (books.study("1.9").status, books.study("1.10").status) == ("received", "conflict")
    assert books.analyse() == ["1.1"]


def test_a_corrected_copy_ends_a_conflict(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    books.receive("1.2", JANE, sha256="b" * 64)
    books.accept("1.2")
    assert books.study().status == "received"
    assert books.analyse() == ["1.1", "1.2"]


def test_a_file_that_an_earlier_version_kept_aside_must_come_once_more(books: Books) -> None:
    books.receive("1.1", JANE)
    with books.database.transaction() as tx:
        tx.add(
            Conflict(
                instance_uid="1.1", study_uid="1.9", sha256="b" * 64, size=7, path="conflicts/b.dcm", calling_ae="M",
                address="127.0.0.1",
            )
        )  # fmt: skip
    with pytest.raises(ActionRefused, match="once more"):
        books.accept("1.1")
    books.receive("1.1", MARY, sha256="b" * 64)
    assert books.accept("1.1").changed


def test_a_file_of_another_patient_under_a_known_uid_is_found_by_its_patient_and_its_study(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    for which in ({"patient": "PAT-B"}, {"patient": "roe, m"}, {"search": "1.10"}, {"accession": "ACC-PAT-B"}):
        assert books.found(**which) == ["1.10"], which
    waiting = books.study("1.10")
    assert (waiting.status, waiting.instances) == ("waiting", 0)
    (kept,) = waiting.kept_aside
    assert (kept.stands_in, kept.study_uid, kept.patient) == ("1.9", "1.10", MARY)
    (row,) = books.worklist("waiting")
    assert (row.header.patient_name, row.shown.elsewhere, row.shown.corrected) == ("Roe^Mary", 1, ())
    assert books.study("1.9").kept_aside == (kept,)
    assert books.analyse() == ["1.1"]
    assert books.analyse() == [], "nothing is due for a study without an image"


def test_a_file_of_another_patient_in_the_same_study_is_found_by_its_patient(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64)
    assert books.found(patient="PAT-B") == books.found(search="Roe") == ["1.9"]
    books.dismiss("1.1")
    assert books.found(patient="PAT-B") == []


@pytest.mark.parametrize(
    ("patient", "study", "says"),
    [
        (
            MARY,
            "1.9",
            r"image 1.1 of study 1.9 becomes one of another patient \(Patient ID, .*; results of 1.9 are void",
        ),
        (MARY, "1.10", "image 1.1 leaves study 1.9, which keeps 1 image, and joins study 1.10 of another patient"),
        (JANE, "1.10", "image 1.1 leaves study 1.9, which keeps 1 image, and joins study 1.10 of the same patient"),
    ],
)
def test_what_touches_another_patient_or_study_is_asked_back(
    books: Books, patient: PatientIdentity, study: str, says: str
) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", JANE)
    books.receive("1.1", patient, sha256="b" * 64, study=study)
    with pytest.raises(ConfirmationNeeded, match=says) as refused:
        books.accept("1.1", other_patient=False)
    assert refused.value.sha256 == "b" * 64
    assert not any(value in str(refused.value) for value in ("PAT-A", "PAT-B", "Roe", "Doe"))
    assert len(books.study().kept_aside) == 1, "nothing has changed"
    assert books.accept("1.1", other_patient=True).changed
    with books.database.reading() as read:
        line = next(line for line in audit.lines(read) if line.type == "instance-accepted")
    assert ("Patient ID" in str(line.detail["other_patient"])) is (patient is MARY)
    assert (line.detail["from_study"], line.detail["to_study"]) == ((None, None) if study == "1.9" else ("1.9", study))


def test_a_corrected_file_of_the_same_patient_needs_no_confirmation(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", JANE, sha256="b" * 64, accession="ACC-2")
    assert books.accept("1.1", other_patient=False).changed


def test_declining_from_the_study_that_a_file_names_leaves_the_others_waiting(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    books.receive("1.1", MARY, sha256="c" * 64, study="1.11")
    books.receive("1.1", JANE, sha256="d" * 64)
    assert books.dismiss("1.1", "1.10") == 1
    assert books.study("1.10").status == "rejected"
    assert books.found(search="1.10") == ["1.10"]
    assert [kept.sha256[0] for kept in books.study().kept_aside] == ["c", "d"]
    assert books.dismiss("1.1", sha256="dd") == 1
    assert [kept.sha256[0] for kept in books.study().kept_aside] == ["c"]
    books.receive("1.2", MARY, study="1.12")
    with pytest.raises(ActionRefused, match="no image"):
        books.dismiss("1.1", "1.12")


def test_accepting_from_the_study_that_a_file_names_takes_that_file(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    books.receive("1.1", MARY, sha256="c" * 64, study="1.11")
    assert books.accept("1.1", "1.11").sha256 == "c" * 64
    assert (books.study("1.9").status, books.study("1.10").status) == ("rejected", "waiting")
    (third,) = books.study("1.10").kept_aside
    assert (third.stands_in, third.differing) == ("1.11", ()), "it is compared with what stands now"
    assert books.study("1.11").kept_aside == (third,)
    assert not books.accept("1.1", "1.11", sha256="cc").changed
    assert books.accept("1.1", "1.11", sha256="aa").study_uid == "1.9", "and all the way back"
    assert books.study("1.9").status == "received"


def test_late_images_join_both_studies_after_a_file_was_accepted(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    books.accept("1.1")
    books.receive("1.2", JANE)
    books.receive("1.3", MARY, study="1.10")
    assert {tuple(books.analyse()), tuple(books.analyse()), tuple(books.analyse())} == {("1.2",), ("1.1", "1.3"), ()}
    assert {books.study(uid).status for uid in ("1.9", "1.10")} == {"analysed"}


def test_the_first_image_of_a_study_that_a_waiting_file_named_describes_it(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    books.receive("1.2", JANE, study="1.10")
    with books.database.reading() as read:
        assert load_study(read, "1.10").patient_id == "PAT-A"
    assert books.found(patient="PAT-B") == ["1.10"], "what waits is found all the same"
    assert (books.study("1.10").status, books.study("1.10").revision) == ("received", 1)
    books.accept("1.1")
    assert books.study("1.10").status == "conflict", "two patients in one study"

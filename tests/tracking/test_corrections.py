"""Two patients in one study, and corrected images: what stands, what is withheld, and how an administrator ends it."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, update

from config.errors import ActionRefused
from tests.tracking.conftest import finding
from tracking import audit, conflicts, corrections, queries, queue, worklist
from tracking.analyses import AnalysisRecord, OutcomeRecord, instances_of, load_analysis, load_study, record_analysis
from tracking.database import Database
from tracking.deliveries import load_delivery
from tracking.documents import DocumentRecord, record_documents
from tracking.instances import (
    IncomingInstance,
    Registered,
    StudyHeader,
    association_released,
    register_conflict,
    register_instance,
)
from tracking.models import Analysis, Conflict, Delivery, Document, Instance, Job
from tracking.patient import PatientIdentity
from tracking.summaries import StudySummary

JANE = PatientIdentity("PAT-A", "", "Doe^Jane", "19600101", "F")
MARY = PatientIdentity("PAT-B", "", "Roe^Mary", "19700101", "F")
USER = "operator"


class Books:
    """A database to which images come, and what a worker would write about them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def incoming(self, uid: str, patient: PatientIdentity, **changes: Any) -> IncomingInstance:
        study = changes.pop("study", "1.9")
        repeated = changes.pop("repeated", {})
        header = StudyHeader(
            study, changes.pop("accession", f"ACC-{patient.patient_id}"), patient.patient_id,
            patient.issuer_of_patient_id, patient.patient_name, patient.patient_birth_date, patient.patient_sex,
        )  # fmt: skip
        known = IncomingInstance(
            instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.1", series_uid="1.8",
            transfer_syntax_uid="1.2.840.10008.1.2.1", modality="CR", sha256="a" * 64, size=7, path=f"0/0/{uid}.dcm",
            calling_ae="MODALITY", called_ae="CXRNODE", address="127.0.0.1", study=header, repeated=repeated,
        )  # fmt: skip
        return replace(known, **changes)

    def receive(self, uid: str, patient: PatientIdentity, *, settle: float = 0, **changes: Any) -> Registered:
        """Take an image as the receiver does, other bytes under a known UID too."""
        incoming = self.incoming(uid, patient, **changes)
        with self.database.transaction() as tx:
            outcome = register_instance(tx, incoming, settle_seconds=settle)
        if outcome is Registered.CONFLICT:
            with self.database.transaction() as tx:
                register_conflict(tx, replace(incoming, path=f"conflicts/{incoming.sha256[:8]}.dcm"))
        return outcome

    def claim(self, name: str = "analyse") -> queue.Job | None:
        return queue.claim(self.database, [name], "test/1/1", 60_000)

    def look_at(self, job: queue.Job) -> AnalysisRecord:
        """Return what a worker would record for a job it has."""
        study, revision = job.payload["study_uid"], job.payload["revision"]
        with self.database.reading() as read:
            images = [image.instance_uid for image in instances_of(read, study, revision)]
        outcomes = tuple(OutcomeRecord(uid, None, None, (finding(),)) for uid in images)
        return AnalysisRecord(study, revision, "m", "1.0", "d" * 64, "litert", 0.1, outcomes, {})

    def finish(self, job: queue.Job, record: AnalysisRecord) -> None:
        with self.database.transaction() as tx:
            queue.finish(tx, job)
            record_analysis(tx, record)

    def analyse(self) -> list[str]:
        """Do the analysis that is due; return the images it looked at, none where nothing is due."""
        job = self.claim()
        if job is None:
            return []
        record = self.look_at(job)
        self.finish(job, record)
        return [outcome.instance_uid for outcome in record.outcomes]

    def report(self) -> int | None:
        """Build the documents that are due; return the analysis they are of."""
        job = self.claim("report")
        if job is None:
            return None
        self.build(job)
        return int(job.payload["analysis_id"])

    def build(self, job: queue.Job) -> None:
        number = job.payload["analysis_id"]
        document = DocumentRecord("sr", f"2.25.{number}", "2.25.1", "1.2", "x.dcm", "s" * 64, 9, None)
        with self.database.transaction() as tx:
            queue.finish(tx, job)
            record_documents(tx, number, [document], [(document.uid, "pacs")])

    def deliver(self) -> None:
        with self.database.transaction() as tx:
            tx.execute(update(Delivery).values(state="delivered"))

    def study(self, uid: str = "1.9") -> StudySummary:
        with self.database.reading() as read:
            found = queries.find_study(read, uid)
        assert found is not None
        assert uid in {row.header.study_uid for row in self.worklist(found.status)}
        return found

    def worklist(self, status: str) -> tuple[worklist.WorklistRow, ...]:
        with self.database.reading() as read:
            return worklist.find_studies(read, status=status).rows

    def events(self) -> list[str]:
        with self.database.reading() as read:
            return [line.type for line in audit.lines(read)]

    def count(self, table: Any) -> int:
        with self.database.reading() as read:
            return read.scalar(select(func.count()).select_from(table)) or 0

    def resolve(self, patient: str, issuer: str | None = None, study: str = "1.9") -> corrections.Resolution:
        with self.database.transaction() as tx:
            return corrections.resolve_study(tx, study, patient, issuer, user=USER)

    def reject(self, uid: str, study: str = "1.9") -> bool:
        with self.database.transaction() as tx:
            return corrections.reject_instance(tx, study, uid, user=USER)

    def accept(self, uid: str, study: str = "1.9", sha256: str | None = None) -> corrections.Acceptance:
        with self.database.transaction() as tx:
            return corrections.accept_instance(tx, study, uid, sha256=sha256, user=USER)


@pytest.fixture
def books(database: Database) -> Books:
    """The database, empty."""
    return Books(database)


def test_a_second_patient_ends_all_work_and_shows(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    assert books.analyse() == []
    found = books.study()
    assert (found.status, found.findings, found.documents) == ("conflict", (), ())
    assert [(patient.identity, patient.images) for patient in found.patients] == [(JANE, ("1.1",)), (MARY, ("1.2",))]
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
    books.deliver()
    books.receive("1.2", MARY)
    found = books.study()
    assert found.findings == ()
    assert [patient.delivered for patient in found.patients] == [1, 0]
    with books.database.reading() as read:
        line = next(line for line in audit.lines(read) if line.type == "study-conflict")
        assert line.detail["delivered_before"] == 1
        assert conflicts.is_withheld(read, "1.9", 1)


def test_resolving_keeps_one_patient_and_makes_a_new_revision(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    books.receive("1.2", MARY)
    outcome = books.resolve("PAT-B")
    assert outcome == corrections.Resolution(("1.2",), ("1.1",), changed=True)
    found = books.study()
    assert (found.status, found.rejected) == ("received", 1)
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


def test_a_late_image_of_the_rejected_patient_makes_a_conflict_again(books: Books) -> None:
    books.receive("1.1", JANE)
    books.receive("1.2", MARY)
    books.resolve("PAT-A")
    books.receive("1.3", MARY)
    assert books.study().status == "conflict"
    assert books.events().count("study-conflict") == 2


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
    found = books.study()
    assert conflicts.ways_out("1.9", found.patients)[:2] == [
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


def test_a_file_that_names_two_patients_is_a_conflict_by_itself(books: Books) -> None:
    books.receive("1.1", JANE, repeated={"patient_id": "OTHER"})
    found = books.study()
    assert found.status == "conflict"
    assert [(p.identity.patient_id, p.images, p.second) for p in found.patients] == [
        ("PAT-A", ("1.1",), ()),
        ("OTHER", ("1.1",), ("1.1",)),
    ]
    assert conflicts.ways_out("1.9", found.patients) == ["cxrnode study reject 1.9 --instance UID"]
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
        old = read.scalars(select(Conflict)).one()
        assert (old.state, old.sha256, old.path, old.patient_id) == ("replaced", "a" * 64, "0/0/1.1.dcm", "PAT-A")
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
    with books.database.transaction() as tx:
        assert corrections.dismiss_kept_aside(tx, "1.9", "1.1", user=USER) == 1
        assert corrections.dismiss_kept_aside(tx, "1.9", "1.1", user=USER) == 0
    assert books.receive("1.1", MARY, sha256="b" * 64) is Registered.CONFLICT
    assert books.study().kept_aside == ()


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

    monkeypatch.setattr("tracking.audit.write_pending", fail)
    with pytest.raises(RuntimeError):
        getattr(books, action)("PAT-A" if action == "resolve" else "1.2")
    monkeypatch.undo()
    assert (books.events(), books.study()) == before
    with books.database.reading() as read:
        assert read.scalars(select(Job.key).where(Job.queue == "analyse", Job.state == "open")).all() == []

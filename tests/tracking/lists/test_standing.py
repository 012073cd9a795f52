"""Where studies stand: after any story the stored rows are what follows from the other tables."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import delete, event, select, text, update
from sqlalchemy.orm import Session

from config.errors import ActionRefused
from config.settings import DeliverySettings, WorkSettings
from tests.tracking.books import JANE, MARY, USER, Books, finding
from tests.tracking.engine.test_schema import downgrade
from tracking.engine import schema
from tracking.engine.changes import study_changed
from tracking.engine.database import Database
from tracking.jobs import maintenance, queue
from tracking.jobs.loop import Commit, Lane, WorkLoop
from tracking.jobs.priorities import mark_urgent
from tracking.lists import standing, worklist
from tracking.outbox import deliveries, documents
from tracking.outbox.documents import LEFT_OUT, DocumentRecord
from tracking.outbox.reasons import Reason
from tracking.outbox.rejections import Told, take_back
from tracking.outbox.resending import resend_study
from tracking.outbox.withdrawal import withdraw_study
from tracking.results.analyses import AnalysisRecord, OutcomeRecord, instances_of, record_analysis
from tracking.results.reanalysis import reanalyse_study
from tracking.studies import corrections
from tracking.studies.patient import PatientIdentity
from tracking.tables.models import Analysis, Delivery, Document, ImageOutcome, Job, Study
from tracking.tables.standing_models import Standing, StatedFinding

PATIENTS = {"A": JANE, "B": MARY}
TOLD = Told(frozenset({"pacs"}), frozenset({"pacs"}))


@dataclass(frozen=True)
class Event:
    """Something that happens to one of few images in one of two studies."""

    what: str
    image: int
    study: int
    patient: str
    number: int


EVENTS = (
    "receive", "receive", "receive", "receive other bytes", "analyse", "analyse", "report", "report", "deliver",
    "deliver", "fail", "stop delivery", "not taken", "overtaken", "withheld", "retry", "retry destination", "resolve",
    "reject", "accept", "dismiss", "left out", "stop job", "resend", "withdraw", "reanalyse", "urgent", "take back",
)  # fmt: skip
events = st.builds(
    Event, st.sampled_from(EVENTS), st.integers(1, 4), st.integers(1, 2), st.sampled_from("AAB"), st.integers(1, 3)
)


@dataclass
class World:
    """Both databases are told the same story; each story has studies of its own."""

    books: Books
    story: int = 0
    root: str = ""

    def begin(self) -> None:
        self.story += 1
        self.root = f"1.{self.story}"
        with self.books.database.transaction() as tx:  # what earlier stories left due is not this one's
            tx.execute(update(Job).where(Job.state != "done").values(state="done"))

    def tell(self, event: Event) -> None:
        getattr(self, event.what.replace(" ", "_"))(event)

    def uid(self, event: Event) -> str:
        return f"{self.root}.{event.image}.7"

    def study(self, event: Event) -> str:
        return f"{self.root}.{event.study}"

    def receive(self, event: Event) -> None:
        letter = "abc"[event.number - 1] if event.what == "receive other bytes" else "a"
        digest = f"{letter}{event.study}" * 32  # the same bytes name the same study
        self.books.receive(
            self.uid(event), PATIENTS[event.patient], study=self.study(event), sha256=digest,
            calling_ae=f"CR{event.number}",
        )  # fmt: skip

    receive_other_bytes = receive

    def analyse(self, event: Event) -> None:
        job = self.books.claim()
        if job is None:
            return
        study, revision = job.payload["study_uid"], job.payload["revision"]
        with self.books.database.reading() as read:
            images = [image.instance_uid for image in instances_of(read, study, revision)]
        stated = finding(0.3 + 0.2 * event.number)
        outcomes = tuple(
            OutcomeRecord(uid, "view", "it is a hand", ()) if (index + event.number) % 3 == 0
            else OutcomeRecord(uid, None, None, (stated,))
            for index, uid in enumerate(images)
        )  # fmt: skip
        record = AnalysisRecord(study, revision, "m", f"{event.number}", "d" * 64, "e", 0.1, outcomes, {})
        with self.books.database.transaction() as tx:
            queue.finish(tx, job)
            record_analysis(tx, record)

    def report(self, event: Event) -> None:
        job = self.books.claim("report")
        if job is None:
            return
        number = job.payload["analysis_id"]
        quarantined = "no good" if event.number == 3 else None
        made = [
            DocumentRecord(kind, f"2.25.{number}.{kind}", "2.25.1", "1.2", "x", "s" * 64, 9, quarantined)
            for kind in ("sr", "hl7")
        ]
        with self.books.database.transaction() as tx:
            queue.finish(tx, job)
            documents.record_documents(tx, number, made, [(document.uid, "pacs") for document in made])

    def each_delivery(self, event: Event, change: Callable[[Any, int], None]) -> None:
        with self.books.database.transaction() as tx:
            rows = select(Delivery.id).join(Document).join(Analysis).where(Analysis.study_uid == self.study(event))
            for delivery_id in tx.scalars(rows.order_by(Delivery.id).limit(event.number)).all():
                change(tx, delivery_id)

    def deliver(self, event: Event) -> None:
        self.each_delivery(event, lambda tx, number: deliveries.record_delivered(tx, number, "0000"))

    def fail(self, event: Event) -> None:
        self.each_delivery(
            event, lambda tx, number: deliveries.record_attempt_failed(tx, number, "away", stopped=False)
        )

    def stop_delivery(self, event: Event) -> None:
        self.each_delivery(event, lambda tx, number: deliveries.record_attempt_failed(tx, number, "no", stopped=True))

    def not_taken(self, event: Event) -> None:
        self.each_delivery(event, deliveries.record_not_taken)

    def overtaken(self, event: Event) -> None:
        self.each_delivery(event, deliveries.record_overtaken)

    def withheld(self, event: Event) -> None:
        self.each_delivery(event, deliveries.record_withheld)

    def retry(self, event: Event) -> None:
        with self.books.database.transaction() as tx:
            deliveries.retry_deliveries(tx, study_uid=self.study(event))
            maintenance.retry_study(tx, self.study(event))

    def retry_destination(self, event: Event) -> None:
        with self.books.database.transaction() as tx:
            deliveries.retry_deliveries(tx, destination="pacs")

    def resolve(self, event: Event) -> None:
        patient = PATIENTS[event.patient].patient_id
        self.decide(lambda tx: corrections.resolve_study(tx, self.study(event), patient, user=USER))

    def reject(self, event: Event) -> None:
        self.decide(lambda tx: corrections.reject_instance(tx, self.study(event), self.uid(event), user=USER))

    def accept(self, event: Event) -> None:
        self.decide(lambda tx: corrections.accept_instance(
                tx, self.study(event), self.uid(event), other_patient=event.number < 3, user=USER)
        )  # fmt: skip

    def dismiss(self, event: Event) -> None:
        self.decide(lambda tx: corrections.dismiss_kept_aside(tx, self.study(event), self.uid(event), user=USER))

    def resend(self, event: Event) -> None:
        self.decide(lambda tx: resend_study(tx, self.study(event), user=USER))

    def withdraw(self, event: Event) -> None:
        reason = Reason.SAFETY if event.number == 3 else Reason.QUALITY
        self.decide(lambda tx: withdraw_study(tx, self.study(event), reason=reason, why="w", told=TOLD, user=USER))

    def reanalyse(self, event: Event) -> None:
        self.decide(lambda tx: reanalyse_study(tx, self.study(event), user=USER))

    def urgent(self, event: Event) -> None:
        self.decide(lambda tx: mark_urgent(tx, self.study(event), user=USER))

    def take_back(self, event: Event) -> None:
        self.decide(lambda tx: take_back(tx, self.study(event), TOLD))

    def decide(self, action: Callable[[Any], object]) -> None:
        try:
            with self.books.database.transaction() as tx:
                action(tx)
        except ActionRefused:
            return

    def left_out(self, event: Event) -> None:
        remark = {"kind": LEFT_OUT, "text": f"attribute {event.number}"}
        of_study = select(ImageOutcome).join(Analysis).where(Analysis.study_uid == self.study(event))
        with self.books.database.transaction() as tx:
            outcome = tx.scalars(of_study.order_by(ImageOutcome.id.desc())).first()
            if outcome is not None:
                documents.note_left_out(tx, outcome.analysis_id, outcome.instance_uid, [remark])

    def stop_job(self, event: Event) -> None:
        """Let the loop fail a job for good, as it does with what nobody foresaw."""
        name = ("analyse", "report", "deliver")[event.number - 1]
        lane = Lane((name,), destination="pacs" if name == "deliver" else None)
        work, delivery = WorkSettings(max_failures=1), DeliverySettings()
        WorkLoop(self.books.database, {name: Failing()}, [lane], work, delivery).run_until_idle()


class Failing:
    """A handler with a defect."""

    def run(self, job: queue.Job) -> Commit | None:
        raise RuntimeError

    def failed(self, tx: Session, job: queue.Job, error: Exception, stopped: bool) -> None:
        if job.queue == "deliver":
            deliveries.record_attempt_failed(tx, job.payload["delivery_id"], "broken", stopped=stopped)


def rows_that_differ(books: Books, *studies: str) -> list[str]:
    with books.database.reading() as read:
        return standing.differing(read, studies)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One database for all stories; each has studies of its own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('world') / 'world.db'}"
    else:
        cluster: Any = request.getfixturevalue("postgresql")
        cluster.command("CREATE DATABASE world TEMPLATE template")
        url = cluster.url("world")
    database = Database.open(url)
    schema.upgrade(database)
    if request.param == "sqlite":  # a thousand commits are to prove no durability
        event.listen(database.engine, "connect", lambda link, _: link.execute("PRAGMA synchronous=OFF"))
    yield World(Books(database))
    database.close()


@given(st.lists(events, min_size=6, max_size=30))
@hypothesis(
    max_examples=15,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_rows_are_what_follows_from_all_others_after_any_story(world: World, story: list[Event]) -> None:
    world.begin()
    told: list[str] = []
    for happening in story:
        world.tell(happening)
        told.append(happening.what)
        assert rows_that_differ(world.books, f"{world.root}.1", f"{world.root}.2") == [], told


def test_a_story_with_every_status_keeps_its_rows(world: World) -> None:
    """The random stories are short; this one is sure to pass by every kind of change."""
    world.begin()
    seen = set()
    for what, image, study, patient, number in (
        ("receive", 1, 1, "A", 1), ("stop job", 1, 1, "A", 1), ("retry", 1, 1, "A", 1), ("analyse", 1, 1, "A", 1),
        ("report", 1, 1, "A", 3), ("retry", 1, 1, "A", 1), ("report", 1, 1, "A", 1), ("left out", 1, 1, "A", 1),
        ("fail", 1, 1, "A", 1), ("stop delivery", 1, 1, "A", 1), ("retry destination", 1, 1, "A", 1),
        ("deliver", 1, 1, "A", 3), ("receive other bytes", 1, 1, "B", 2), ("receive", 2, 1, "A", 2),
        ("accept", 1, 1, "B", 1), ("resolve", 1, 1, "B", 1), ("reject", 1, 1, "B", 1), ("reject", 2, 1, "B", 1),
        ("receive", 3, 2, "A", 1), ("analyse", 3, 2, "A", 3), ("dismiss", 1, 1, "A", 1),
        ("receive other bytes", 1, 3, "B", 3), ("dismiss", 1, 3, "B", 1),
    ):  # fmt: skip
        world.tell(Event(what, image, study, patient, number))
        studies = [f"{world.root}.{number}" for number in (1, 2, 3)]
        assert rows_that_differ(world.books, *studies) == [], what
        with world.books.database.reading() as read:
            seen |= set(read.scalars(select(Standing.status).where(Standing.study_uid.in_(studies))))
    assert seen == {
        "received",
        "attention",
        "analysed",
        "reported",
        "delivered",
        "conflict",
        "waiting",
        "rejected",
        "not-analysed",
    }


@pytest.fixture
def delivered(books: Books) -> Books:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    return books


def test_what_somebody_else_wrote_into_a_row_or_took_away_is_found_and_mended(delivered: Books) -> None:
    database = delivered.database
    delivered.receive("1.2", MARY, study="1.8")
    with database.transaction() as tx:
        tx.execute(update(Standing).where(Standing.study_uid == "1.9").values(status="delivered"))
        tx.execute(delete(Standing).where(Standing.study_uid == "1.8"))
    with database.reading() as read:
        assert list(standing.drift(read)) == ["1.8", "1.9"]
        assert list(standing.drift(read, newest=10)) == ["1.9"], "of those that are listed"
    with database.transaction() as tx:
        standing.write(tx, ["1.8", "1.9"])
    with database.reading() as read:
        assert list(standing.drift(read)) == []
    with database.transaction() as tx:
        tx.execute(delete(StatedFinding))
    with database.reading() as read:
        assert list(standing.drift(read)) == ["1.9"]


def test_two_deliveries_that_end_at_the_same_moment_leave_a_delivered_study(delivered: Books) -> None:
    """Each sees the other's delivery as it was before; the later one has to look again."""
    database = delivered.database
    with database.transaction() as tx:
        first = tx.scalars(select(Delivery.id)).one()
        document = DocumentRecord("hl7", "2.25.9", None, None, "x", "s" * 64, 9, None)
        documents.record_documents(tx, 1, [document], [("2.25.9", "ris")])
    second = first + 1
    if database.dialect == "sqlite":
        pytest.skip("one transaction at a time")
    begun = threading.Barrier(2, timeout=20)

    def deliver(delivery_id: int) -> None:
        with database.transaction() as tx:
            deliveries.record_delivered(tx, delivery_id, "0000")
            begun.wait()

    threads = [threading.Thread(target=deliver, args=(number,)) for number in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivered.study().status == "delivered"
    assert rows_that_differ(delivered, "1.9") == []


def test_a_row_has_each_reason_once_with_its_code_and_an_old_one_as_it_stood() -> None:
    frames = standing.WhyNot("it holds 3 frames", "frames", {"frames": 3})
    shown = standing.Shown(not_analysed=(frames, standing.WhyNot("it is a hand")))
    written = standing._write_shown(shown)
    assert standing.read_shown(written) == shown
    assert '"it is a hand"]' in written, "a row of an earlier version is the same to the letter"


def test_an_old_database_gets_its_rows_with_the_upgrade(empty_database: Database) -> None:
    books = Books(empty_database)
    schema.upgrade(empty_database)
    for number in range(3):
        books.receive(f"1.{number}", JANE, study=f"5.{number}")
    books.receive("1.7", MARY, study="5.0")
    books.analyse()
    books.report()
    expected = everything(empty_database)
    with empty_database.engine.begin() as connection:
        downgrade(connection, "0013")
        for statement in DOWN_TO_0007:
            connection.execute(text(statement))
    schema.upgrade(empty_database)
    assert everything(empty_database) == expected
    assert [row[1] for row in expected] == ["conflict", "reported", "received", "lung_opacity"]
    with empty_database.reading() as read:
        assert list(standing.drift(read)) == []


DOWN_TO_0007 = (
    "DROP TABLE saved_filter",
    "DROP TABLE feedback",
    "DROP TABLE deleted_study",
    "DROP TABLE carried_document",
    "ALTER TABLE study DROP COLUMN withdrawn",
    "ALTER TABLE study DROP COLUMN withdrawn_reason",
    "ALTER TABLE document DROP COLUMN reason",
    "ALTER TABLE delivery DROP COLUMN taken_back_by",
    "ALTER TABLE breaker DROP COLUMN held_since",
    "DROP TABLE login_failures",
    "DROP TABLE api_token",
    "DROP TABLE user_session",
    "DROP TABLE console_user",
    "DROP TABLE stated_finding",
    "DROP TABLE standing",
    "ALTER TABLE study DROP COLUMN urgent",
    "DROP INDEX ix_delivery_destination_state_finished_at",
    "DROP INDEX ix_delivery_state_finished_at",
    "DROP INDEX ix_audit_event_study_uid_seq",
    "DROP INDEX ix_image_outcome_instance_uid",
    "DROP INDEX ix_job_stopped",
    "DROP INDEX ix_document_quarantined",
    "DROP INDEX ix_conflict_waiting",
    "DROP INDEX ix_study_in_conflict",
    "CREATE INDEX ix_study_conflict_since ON study (conflict_since)",
    "CREATE INDEX ix_study_last_received_at ON study (last_received_at)",
    "CREATE INDEX ix_delivery_destination ON delivery (destination)",
    "CREATE INDEX ix_audit_event_study_uid ON audit_event (study_uid)",
    "UPDATE alembic_version SET version_num = '0007'",
)


def everything(database: Database) -> list[Any]:
    with database.reading() as read:
        rows = read.execute(select(Standing.__table__).order_by(Standing.study_uid)).all()
        findings = read.execute(select(StatedFinding.__table__).order_by(StatedFinding.study_uid)).all()
    return [tuple(row) for row in (*rows, *findings)]


def test_the_rows_of_many_studies_are_made_some_at_a_time(delivered: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        delivered.receive(f"2.{number}", JANE, study=f"5.{number}")
    monkeypatch.setattr(standing, "AT_ONCE", 2)
    with delivered.database.transaction() as tx:
        tx.execute(delete(StatedFinding))
        tx.execute(delete(Standing))
    with delivered.database.transaction() as tx:
        assert standing.fill(tx) == 8
    with delivered.database.reading() as read:
        assert list(standing.drift(read)) == []


def test_urgency_shows_in_the_row(delivered: Books) -> None:
    with delivered.database.transaction() as tx:
        tx.execute(update(Study).values(urgent=True))
        study_changed(tx, "1.9")
    assert rows_that_differ(delivered, "1.9") == []
    with delivered.database.reading() as read:
        assert read.scalar(select(Standing.urgent)) is True
        assert read.scalar(select(StatedFinding.urgent)) is True


@pytest.mark.parametrize("field", ["patient_id", "patient_name", "accession"])
def test_a_value_longer_than_any_index_takes_is_kept_and_found_by_how_it_begins(books: Books, field: str) -> None:
    long = "".join(chr(0x4E00 + 37 * number % 20_000) for number in range(5_000))
    patient = PatientIdentity("P", "", "N", "", "") if field == "accession" else replace(JANE, **{field: long})
    books.receive("1.1", patient, **({"accession": long} if field == "accession" else {}))
    with books.database.reading() as read:
        assert worklist.find_studies(read, worklist.StudyFilter(search=long[:20])).total == 1
        assert worklist.find_studies(read, worklist.StudyFilter(search=long)).total == 1

"""From a delivery to its confirmation: every way a peer answers, and what is sent again."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from config.settings import Settings
from dicom_node.storage_commitment import confirm
from dicom_node.storage_commitment.confirm import ConfirmHandler
from dicom_node.storage_commitment.resends import resends_of
from dicom_node.storage_scp.receive import Receiver
from tests.committing_archive import CommittingArchive, Way, open_committing_archive
from tests.tracking.books import JANE, Books
from tracking.engine.database import Database
from tracking.jobs import queue
from tracking.jobs.loop import Lane, WorkLoop
from tracking.jobs.queue import Job as ClaimedJob
from tracking.outbox import confirmations
from tracking.outbox.deliveries import record_delivered
from tracking.tables.models import Commitment, Delivery, Job


class Node:
    """Books whose deliverer stores to an archive, and whose confirmations are awaited."""

    def __init__(self, books: Books, settings: Settings, archive: CommittingArchive) -> None:
        self.books, self.settings, self.archive = books, settings, archive
        handlers: Any = {"deliver": self, "confirm": ConfirmHandler(settings, books.database)}
        lanes = [Lane(("deliver",), 1, "pacs"), Lane(("confirm",), 1, "pacs")]
        self.loop = WorkLoop(books.database, handlers, lanes, settings.work, settings.delivery)

    def run(self, job: ClaimedJob) -> Callable[[Any], None]:
        """Store the document, as the deliverer does."""
        delivery_id = job.payload["delivery_id"]
        with self.books.database.reading() as read:
            uid = confirmations.load_awaited(read, delivery_id)
        assert uid is None, "nothing is awaited while it is on its way"
        self.archive.order.append("2.25.1")
        if self.archive.lost < self.archive.loses:
            self.archive.lost += 1
        else:
            self.archive.stored["2.25.1"] = 1

        def commit(tx: Any) -> None:
            record_delivered(tx, delivery_id, "C-STORE 0000")
            confirmations.await_confirmation(tx, delivery_id, delay_seconds=0, give_up_ms=queue.DAY_MS)

        return commit

    def failed(self, *_: Any) -> None:
        pytest.fail("the deliverer failed")

    def work(self) -> None:
        """Do what is due, and what comes due within a moment."""
        self.loop.run_until_idle(20)

    def make_due(self) -> None:
        """Let time pass until everything that waits is due, and every request has timed out."""
        with self.books.database.transaction() as tx:
            tx.execute(update(Job).where(Job.state == "open").values(visible_at=0))
            tx.execute(update(Commitment).values(asked_at=0))

    @property
    def delivery(self) -> Delivery:
        with self.books.database.reading() as read:
            return read.scalars(select(Delivery)).one()

    @property
    def commitments(self) -> list[str]:
        with self.books.database.reading() as read:
            return list(read.scalars(select(Commitment.state).order_by(Commitment.id)))


def settings_for(archive: CommittingArchive, tmp_path: Any, **changes: Any) -> Settings:
    destination = {
        "kind": "dicom", "name": "pacs", "host": "127.0.0.1", "port": archive.port, "ae_title": archive.ae_title,
        "confirm_after_seconds": 0, "commitment_wait_seconds": 0.3, "confirm_attempts": 3, **changes,
    }  # fmt: skip
    return Settings(
        node={"data_dir": tmp_path / "node"},
        receive={"port": 0, "min_free_disk_bytes": 0},
        delivery={"first_retry_seconds": 0.001, "longest_retry_seconds": 0.002},
        destinations=[destination],
    )


@pytest.fixture
def books(tmp_path: Any, sqlite_template: Any) -> Iterator[Books]:
    """An empty database, on SQLite alone: tests/tracking has what the databases do differently."""
    shutil.copyfile(sqlite_template, tmp_path / "cxrnode.db")
    database = Database.open(f"sqlite:///{tmp_path / 'cxrnode.db'}")
    yield Books(database)
    database.close()


@pytest.fixture
def start(tmp_path: Any, books: Books) -> Iterator[Callable[..., Node]]:
    """Return a function that delivers one document to an archive."""
    open_archives: list[Any] = []

    def begin(way: Way, *, loses: int = 0, commits: bool = True, finds: bool = True, **changes: Any) -> Node:
        context = open_committing_archive(way, commits=commits, finds=finds)
        archive = context.__enter__()
        open_archives.append(context)
        archive.loses = loses
        books.receive("1.1", JANE)
        books.analyse()
        books.report()
        return Node(books, settings_for(archive, tmp_path, **changes), archive)

    yield begin
    for context in open_archives:
        context.__exit__(None, None, None)


def test_an_answer_on_the_same_association_confirms(start: Callable[..., Node]) -> None:
    node = start(Way.SAME_ASSOCIATION, confirm="commitment", commitment_wait_seconds=10)
    node.work()
    delivery = node.delivery
    assert (delivery.state, delivery.confirmation, delivery.unconfirmed) == ("delivered", "commitment", 0)
    assert delivery.confirmed_at is not None
    assert node.commitments == ["committed"]
    assert node.archive.order == ["2.25.1"]
    assert "delivery-confirmed" in node.books.events()


@pytest.mark.fault(
    "a PACS answers success and loses the document",
    promise="where it is asked (`destinations.confirm`), the document is sent again until it is there",
    area="confirmed",
)
def test_what_is_not_committed_is_sent_again_until_it_is(start: Callable[..., Node]) -> None:
    node = start(Way.SAME_ASSOCIATION, loses=2, confirm="commitment", commitment_wait_seconds=10)
    for _ in range(3):
        node.work()
        node.make_due()
    delivery = node.delivery
    assert (delivery.state, delivery.confirmation, delivery.unconfirmed) == ("delivered", "commitment", 2)
    assert node.commitments == ["failed", "failed", "committed"]
    assert node.archive.order == ["2.25.1"] * 3
    assert node.books.events().count("delivery-unconfirmed") == 2
    assert node.books.study().status == "delivered"


@pytest.mark.fault(
    "… again and again",
    promise="the delivery stops and says so",
    area="confirmed",
)
def test_what_never_arrives_stops_and_says_so(start: Callable[..., Node]) -> None:
    node = start(Way.SAME_ASSOCIATION, loses=99, confirm="commitment", commitment_wait_seconds=10)
    for _ in range(4):
        node.work()
        node.make_due()
    delivery = node.delivery
    assert (delivery.state, delivery.confirmation) == ("stopped", None)
    assert delivery.error is not None
    assert "no such object instance (0112), after it was sent 3 times" in delivery.error
    assert node.archive.order == ["2.25.1"] * 3
    assert node.books.study().status == "attention"


@pytest.mark.fault(
    "a PACS never answers a storage commitment request",
    promise="after a time C-FIND decides",
    area="confirmed",
)
@pytest.mark.parametrize(("loses", "there"), [(0, True), (1, False)])
def test_without_an_answer_in_time_the_peer_is_asked_by_c_find(
    start: Callable[..., Node], loses: int, there: bool
) -> None:
    node = start(Way.SILENT, loses=loses, confirm="commitment", commitment_wait_seconds=0)
    node.work()
    assert (node.delivery.confirmation, node.commitments, node.archive.queries) == ("awaited", ["asked"], [])
    node.make_due()
    with node.books.database.reading() as read:
        job = read.scalars(select(Job).where(Job.queue == "confirm")).one()
        assert job.state == "open"
    work_once(node)
    assert len(node.archive.queries) == 1
    assert node.commitments == ["unanswered"]
    delivery = node.delivery
    if there:
        assert (delivery.state, delivery.confirmation) == ("delivered", "query")
    else:
        assert (delivery.state, delivery.unconfirmed) == ("waiting", 1)


def work_once(node: Node) -> None:
    """Answer the one question that is due."""
    handler = ConfirmHandler(node.settings, node.books.database)
    job = queue.claim(node.books.database, ["confirm"], "test/1/1", 60_000)
    assert job is not None
    work = handler.run(job)
    with node.books.database.transaction() as tx:
        queue.finish(tx, job)
        assert callable(work) or hasattr(work, "send")
        commit: Any = work
        if hasattr(work, "send"):
            with pytest.raises(StopIteration) as end:
                next(commit)
            commit = end.value.value
        commit(tx)


@pytest.mark.parametrize("commits", [True, False], ids=["as-set", "not-offered"])
def test_a_peer_is_asked_by_c_find_at_once_where_it_is_set_or_offers_no_commitment(
    start: Callable[..., Node], commits: bool
) -> None:
    node = start(Way.SILENT, commits=commits, confirm="query" if commits else "commitment")
    node.work()
    assert (node.delivery.state, node.delivery.confirmation) == ("delivered", "query")


def test_a_peer_that_answers_neither_stops_the_delivery_with_the_reason(start: Callable[..., Node]) -> None:
    node = start(Way.SILENT, commits=False, finds=False, confirm="commitment")
    node.work()
    delivery = node.delivery
    assert delivery.state == "stopped"
    assert delivery.error is not None
    assert "does not offer Study Root" in delivery.error


def test_the_stores_word_is_enough_where_the_settings_say_so_now(start: Callable[..., Node]) -> None:
    node = start(Way.SILENT, confirm="stored")
    node.work()
    assert (node.delivery.state, node.delivery.confirmation) == ("delivered", None)
    assert node.archive.requests == []


def test_an_answer_on_a_reverse_association_confirms(start: Callable[..., Node]) -> None:
    node = start(Way.SILENT, confirm="commitment", commitment_wait_seconds=0)
    with receiving(node) as receiver:
        node.archive.report_port = receiver.port
        node.work()
        assert node.delivery.confirmation == "awaited"
        [request] = node.archive.requests
        assert node.archive.report(request) == 0
        assert node.delivery.confirmation == "commitment"
        assert node.archive.report(request) == 0, "the same answer once more changes nothing"
    node.make_due()
    node.work()
    assert node.archive.queries == []
    assert node.archive.order == ["2.25.1"]
    assert node.books.events().count("delivery-confirmed") == 1


def test_a_negative_answer_on_a_reverse_association_sends_again(start: Callable[..., Node]) -> None:
    node = start(Way.SILENT, loses=1, confirm="commitment", commitment_wait_seconds=0)
    with receiving(node) as receiver:
        node.archive.report_port = receiver.port
        node.work()
        assert node.archive.report(node.archive.requests[0], with_role=False) == 0
        assert node.delivery.state == "waiting"
        assert node.archive.report(node.archive.requests[0]) == 0
        assert node.delivery.unconfirmed == 1
        node.make_due()
        node.work()
        assert node.archive.report(node.archive.requests[1]) == 0
    assert (node.delivery.state, node.delivery.confirmation) == ("delivered", "commitment")
    assert node.archive.order == ["2.25.1"] * 2


@pytest.mark.fault(
    "… or answers after that time",
    promise="the answer counts",
    area="confirmed",
)
def test_an_answer_that_comes_after_its_time_still_counts(start: Callable[..., Node]) -> None:
    node = start(Way.SILENT, confirm="commitment", commitment_wait_seconds=0)
    with receiving(node) as receiver:
        node.archive.report_port = receiver.port
        node.work()
        with node.books.database.transaction() as tx:
            confirmations.record_not_asked(tx, node.delivery.id, "pacs cannot be reached")
        assert node.commitments == ["unanswered"]
        assert node.archive.report(node.archive.requests[0]) == 0
    assert node.delivery.confirmation == "commitment"
    assert node.delivery.error is None


class Died(BaseException):
    """Stands for SIGKILL: no handler of errors sees it."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_death_around_the_question_asks_again_and_sends_nothing_twice(
    start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    node = start(Way.SAME_ASSOCIATION, confirm="commitment", commitment_wait_seconds=10)
    ask = confirm.request_commitment

    def die(*arguments: Any) -> None:
        if when == "after":
            ask(*arguments)
        monkeypatch.setattr(confirm, "request_commitment", ask)
        raise Died

    monkeypatch.setattr(confirm, "request_commitment", die)
    with pytest.raises(Died):
        node.work()
    with node.books.database.transaction() as tx:
        queue.end_leases(tx, queue.leases(tx))
    node.work()
    assert (node.delivery.state, node.delivery.confirmation) == ("delivered", "commitment")
    assert node.commitments == ["unanswered", "committed"]
    assert node.archive.order == ["2.25.1"]


def receiving(node: Node) -> Any:
    """Return a context in which the node's receiver runs."""
    from contextlib import contextmanager

    @contextmanager
    def run() -> Iterator[Receiver]:
        receiver = Receiver(node.settings, node.books.database)
        receiver.start()
        try:
            yield receiver
        finally:
            receiver.stop(drain_seconds=0.2)

    return run()


@pytest.mark.fault(
    "the database is away when a storage commitment answer comes",
    promise="it is not acknowledged, and counts when the PACS reports again",
    area="confirmed",
)
def test_an_answer_that_cannot_be_recorded_is_not_acknowledged(
    start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_away(*_: Any, **__: Any) -> None:
        raise OperationalError("", {}, Exception())

    node = start(Way.SILENT, confirm="commitment", commitment_wait_seconds=0)
    with receiving(node) as receiver:
        node.archive.report_port = receiver.port
        node.work()
        with monkeypatch.context() as away:
            away.setattr(confirmations, "take_answer", be_away)
            assert node.archive.report(node.archive.requests[0]) == 0x0110
        assert node.delivery.confirmation == "awaited"
        assert node.archive.report(node.archive.requests[0]) == 0
    assert node.delivery.confirmation == "commitment"


@pytest.mark.fault(
    "a storage commitment answer comes to no request",
    promise="ignored, logged, counted with the setting that would change it",
    area="confirmed",
)
def test_an_unknown_transaction_changes_nothing_and_is_counted(start: Callable[..., Node]) -> None:
    from tracking.audit_log import refusals

    node = start(Way.SILENT, confirm="commitment", commitment_wait_seconds=0)
    with receiving(node) as receiver:
        node.archive.report_port = receiver.port
        node.work()
        [request] = node.archive.requests
        own = request.TransactionUID
        request.TransactionUID = "2.25.99"
        assert node.archive.report(request) == 0x0115
        request.TransactionUID = own
        assert node.archive.report(request, calling_ae="STRANGER") == -1, "no such context for who never answers"
    assert node.delivery.confirmation == "awaited"
    with node.books.database.reading() as read:
        counted = {entry.refusal.reason for entry in refusals.latest(read)}
    assert "unknown transaction" in counted


@pytest.mark.fault(
    "… or from another destination",
    promise="ignored, logged, counted with the setting that would change it",
    area="confirmed",
)
def test_a_destination_may_not_answer_for_another(start: Callable[..., Node], books: Books, tmp_path: Any) -> None:
    node = start(Way.SILENT, confirm="commitment", commitment_wait_seconds=0)
    node.work()
    other = {
        "kind": "dicom", "name": "other", "host": "127.0.0.1", "port": 104, "ae_title": "OTHER",
        "confirm": "commitment",
    }  # fmt: skip
    pacs = node.settings.destinations[0].model_dump()
    node.settings = Settings(
        node={"data_dir": tmp_path / "node"}, receive={"port": 0, "min_free_disk_bytes": 0}, destinations=[pacs, other]
    )
    with receiving(node) as receiver:
        node.archive.report_port = receiver.port
        assert node.archive.report(node.archive.requests[0], calling_ae="OTHER") == 0x0124
        assert node.delivery.confirmation == "awaited"
        assert node.archive.report(node.archive.requests[0]) == 0
    assert node.delivery.confirmation == "commitment"


def test_a_pause_between_two_sendings_follows_the_settings(settings: Settings) -> None:
    with open_committing_archive(Way.SILENT) as archive:
        entry = settings_for(archive, settings.node.data_dir).destinations[0]
    resends = resends_of(entry, settings)  # type: ignore[arg-type]
    assert (resends.most, resends.pauses.first) == (3, settings.delivery.first_retry_seconds)

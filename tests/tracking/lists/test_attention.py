"""What waits for a person: the counts agree with the lists that they lead to."""

from collections.abc import Callable

from sqlalchemy import event

from tests.tracking.books import JANE, MARY, Books
from tests.tracking.lists.test_worklist import listed, make_every_status
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine.database import Database
from tracking.lists.attention import Attention, count_attention
from tracking.lists.study_filter import Need
from tracking.tables.models import Refusal as RefusalRow

Record = Callable[..., None]


def counted(database: Database) -> tuple[Attention, int]:
    """Return the counts, and how many statements they took."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    with database.reading() as read:
        attention = count_attention(read)
    event.remove(database.engine, "before_cursor_execute", note)
    return attention, len([statement for statement in statements if statement.startswith("SELECT")])


def test_an_empty_node_needs_nobody(database: Database) -> None:
    assert counted(database) == (Attention(), 1)


def test_counts_agree_with_the_lists_they_lead_to(
    database: Database, receive: Record, analyse: Record, build: Record, books: Books
) -> None:
    make_every_status(database, receive, analyse, build)
    books.receive("4.1", JANE, study="4.9")
    books.receive("4.1", MARY, study="4.9", sha256="b" * 64)
    attention, statements = counted(database)
    assert statements == 1
    assert attention.conflicts == len(listed(database, status="conflict")) == 1
    assert attention.decisions == len(listed(database, needs=Need.DECISION)) == 3
    assert attention.work == len(listed(database, needs=Need.WORK)) == 2
    assert attention.documents == len(listed(database, needs=Need.DOCUMENT)) == 1
    assert attention.deliveries == len(listed(database, needs=Need.DELIVERY)) == 1
    waiting = {uid for need in (Need.WORK, Need.DOCUMENT, Need.DELIVERY) for uid in listed(database, needs=need)}
    assert waiting == set(listed(database, status="attention"))
    assert listed(database, needs=Need.DELIVERY, finding="lung_opacity") == listed(database, needs=Need.DELIVERY)


def test_only_refusals_since_yesterday_that_cost_an_image_count(database: Database) -> None:
    with database.transaction() as tx:
        refusals.add(tx, {
            Refusal(RefusalKind.ASSOCIATION, "unknown caller", "allow it"): 3,
            Refusal(RefusalKind.INSTANCE, "no pixels", "none"): 1,
            Refusal(RefusalKind.SPARE_CONTEXT, "not wanted", "none"): 9,
        })  # fmt: skip
    assert counted(database)[0] == Attention(refusals=2)
    with database.transaction() as tx:
        tx.query(RefusalRow).filter_by(kind="instance").update({"last_at": RefusalRow.last_at - 25 * 3_600_000})
    assert counted(database)[0] == Attention(refusals=1)

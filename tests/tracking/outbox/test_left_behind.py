"""What archives keep of results that hold no more is told, study by study."""

from tests.tracking.books import JANE, MARY, USER, Books
from tracking.outbox.left_behind import LeftBehind, left_behind, void_and_left
from tracking.outbox.rejections import Told
from tracking.studies import corrections


def behind(books: Books, study: str = "1.9") -> list[LeftBehind]:
    with books.database.reading() as read:
        return left_behind(read, study)


def test_what_was_delivered_for_a_patient_whose_images_went_is_told(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    books.deliver()
    assert behind(books) == []
    books.receive("1.2", MARY)
    books.resolve("PAT-B")
    (entry,) = behind(books)
    assert (entry.kind, entry.destination) == ("sr", "pacs")
    books.analyse()
    books.report()
    books.deliver()
    assert [one.document_uid for one in behind(books)] == [entry.document_uid]


def test_a_later_image_of_the_same_patient_leaves_nothing_behind(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    books.deliver()
    books.receive("1.2", JANE)
    books.analyse()
    assert behind(books) == []


def test_the_only_image_that_moves_away_has_what_was_said_taken_back_at_once(books: Books) -> None:
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    books.deliver()
    books.receive("1.1", MARY, sha256="b" * 64, study="1.10")
    told = Told(frozenset({"pacs"}), frozenset())
    with books.database.transaction() as tx:
        corrections.accept_instance(tx, "1.9", "1.1", other_patient=True, told=told, user=USER)
    with books.database.reading() as read:
        assert void_and_left(read) == {"1.9": 1}
    job = books.claim("deliver")
    while job is not None:
        books.end_delivery(job)
        job = books.claim("deliver")
    with books.database.reading() as read:
        assert void_and_left(read) == {}

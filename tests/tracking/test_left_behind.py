"""What archives keep of results that hold no more is told, study by study."""

from tests.tracking.books import JANE, MARY, Books
from tracking.left_behind import LeftBehind, left_behind


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

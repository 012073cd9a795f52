"""The read models of one study's page."""

from collections.abc import Callable

from tracking.engine.database import Database
from tracking.lists import queries
from tracking.lists.study_page import find_document, standing_analysis, study_page

Record = Callable[..., None]


def test_a_study_that_is_not_on_record_has_no_page(database: Database) -> None:
    with database.reading() as read:
        assert study_page(read, "1.2.3") is None
        assert find_document(read, "1.2.3", "1.2.4") is None
        assert queries.find_study(read, "1.2.3") is None


def test_the_analysis_that_stands_is_the_latest_that_holds(
    database: Database, receive: Record, analyse: Record
) -> None:
    def standing() -> int | None:
        with database.reading() as read:
            found = standing_analysis(read, "1.9")
        return None if found is None else found.revision

    assert standing() is None
    receive("1.1")
    analyse("1.9", 1, "1.1")
    receive("1.2")
    analyse("1.9", 2, "1.1", "1.2")
    assert standing() == 2
    receive("1.3", patient="Roe^Mary")
    assert standing() is None

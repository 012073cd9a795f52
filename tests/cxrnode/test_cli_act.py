"""Commands that act on a study: what they print, and their exit codes."""

from collections.abc import Callable

import pytest

from config.settings import Settings
from tests.cxrnode.test_cli import Run, node, run  # noqa: F401 - fixtures
from tests.tracking.books import JANE, Books
from tracking.database import Database


@pytest.fixture
def books(node: Settings) -> Callable[[], Books]:  # noqa: F811 - it is the fixture
    """Return a function that delivers a study of one image, and leaves the database closed."""

    def deliver() -> Books:
        database = Database.open(node.database_url())
        books = Books(database)
        books.receive("1.1", JANE)
        books.analyse()
        books.report()
        job = books.claim("deliver")
        assert job is not None
        books.end_delivery(job)
        database.close()
        return books

    return deliver


def test_a_study_is_sent_again_and_taken_back(run: Run, books: Callable[[], Books]) -> None:  # noqa: F811
    books()
    assert run("resend", "1.9").stdout == "study 1.9: 1 document to pacs queued again\n"
    assert run("resend", "1.9").stdout == "study 1.9: 1 document to pacs waiting already\n"
    assert "ever due at nowhere" in run("resend", "1.9", "--destination", "nowhere").stderr
    assert run("withdraw", "1.9").returncode == 2
    assert "say why" in run("withdraw", "1.9", "--why", "").stderr
    assert run("withdraw", "1.9", "--why", "w", "--reason", "boredom").returncode == 2
    withdrawn = run("withdraw", "1.9", "--why", "left is right", "--reason", "safety")
    assert (withdrawn.returncode, withdrawn.stdout) == (
        0,
        "study 1.9: withdrawn; 1 document will not be sent; "
        "1 document at pacs to be removed there, as it is told no rejection notes\n",
    )
    assert "nothing changed" in run("withdraw", "1.9", "--why", "w").stdout
    assert "1 of 1 studies" in run("studies", "--status", "withdrawn").stdout
    assert "left is right" in run("study", "1.9").stdout
    refused = run("resend", "1.9")
    assert (refused.returncode, "void" in refused.stderr) == (1, True)


def test_what_cannot_be_taken_back_is_named(run: Run, books: Callable[[], Books]) -> None:  # noqa: F811
    books()
    assert "1 document at pacs to be removed there" in run("withdraw", "1.9", "--why", "w").stdout
    assert "withdrawn results" in run("doctor").stdout
    assert "void now" in run("study", "1.9").stderr

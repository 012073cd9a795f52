"""Commands that act on a study: what they print, and their exit codes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.settings import Settings
from inference.findings import ModelIdentity
from tests.cxrnode.test_cli import Run, node, run  # noqa: F401 - fixtures
from tests.tracking.books import JANE, Books, finding
from tracking.engine.database import Database
from tracking.results.analyses import OutcomeRecord, StoredInstance
from tracking.results.image_results import AnalyserIdentity, ImageRecord


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


def test_a_study_is_urgent_analysed_anew_and_deleted(run: Run, books: Callable[[], Books]) -> None:  # noqa: F811
    books()
    assert run("urgent", "1.9").stdout == "study 1.9: urgent\n"
    assert "nothing changed" in run("urgent", "1.9").stdout
    assert run("reanalyse", "1.9").stdout == "1 study: 1 to be analysed anew\n"
    assert run("reanalyse", "1.9").stdout == "1 study: 1 due already\n"
    assert run("reanalyse").returncode == 2
    assert "no study 7.7" in run("reanalyse", "7.7").stderr
    refused = run("study", "delete", "1.9", "--why", "w")
    assert (refused.returncode, "stands as received" in refused.stderr) == (1, True)


def test_a_dry_run_says_what_would_change_and_stores_nothing(
    run: Run,  # noqa: F811
    books: Callable[[], Books],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = replace(finding(0.1), level="absent")

    class Examiner:
        """Says that there is nothing."""

        identity = AnalyserIdentity("t" * 64, "t" * 64)
        model = ModelIdentity("m", "1.0", "t" * 64, "litert")

        def with_points(self, _points: object) -> "Examiner":
            """Say the same at any points."""
            return self

        def __init__(self, settings: Settings) -> None:
            """Load nothing."""

        def examine(self, instance: StoredInstance) -> ImageRecord:
            """Say it."""
            return ImageRecord(OutcomeRecord(instance.instance_uid, None, None, (said,)), instance.sha256, 0.1, {})

    monkeypatch.setattr("inference.worker.Examiner", Examiner)
    delivered = books()
    today = f"{datetime.now(UTC).astimezone():%Y-%m-%d}"
    dry = run("reanalyse", "--from", today, "--to", today, "--dry-run")
    assert dry.stdout.splitlines() == [
        "     1  lung_opacity: present → absent", "1 of 1 studies would change; nothing was stored",
    ]  # fmt: skip
    table = json.loads(run("reanalyse", "--patient", "PAT-A", "--dry-run", "--json").stdout)
    assert (table["studies"], table["change"], table["changes"][0]["after"]) == (1, 1, "absent")
    assert delivered.events().count("study-reanalysed") == 0
    assert run("reanalyse", "--patient", "PAT-A").stdout == "1 study: 1 to be analysed anew\n"
    assert run("reanalyse", "--patient", "nobody").stdout == "0 studies: none was chosen\n"


def test_a_destination_is_paused_and_resumed(
    run: Run,  # noqa: F811
    books: Callable[[], Books],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cxrnode.command.out.width", 250)  # so that no cell of the table is folded
    books()
    assert run("destination", "pause", "pacs").stdout == "destination pacs: paused\n"
    assert "nothing changed" in run("destination", "pause", "pacs").stdout
    assert "paused since" in run("doctor", "--quick").stdout
    run("resend", "1.9")
    assert "cxrnode destination resume pacs" in run("studies").stdout
    assert run("destination", "resume", "pacs").stdout == "destination pacs: resumed\n"
    assert "there is no destination" in run("destination", "pause", "pax").stderr

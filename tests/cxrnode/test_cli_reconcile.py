"""``cxrnode reconcile``: what it prints, and its exit codes."""

import json

from config.settings import Settings
from tests.cxrnode.test_cli import Run, node, run  # noqa: F401 - fixtures
from tests.tracking.books import JANE, Books
from tracking.engine.database import Database


def test_a_day_is_reconciled_and_its_gaps_are_named(run: Run, node: Settings) -> None:  # noqa: F811
    assert (run("reconcile").returncode, "no gap" in run("reconcile").stdout) == (0, True)
    database = Database.open(node.database_url())
    books = Books(database)
    books.receive("1.1", JANE)
    books.analyse()
    books.report()
    database.close()
    shown = run("reconcile", "--peer", "MODALITY")
    assert shown.returncode == 1
    assert "cxrnode retry" in shown.stdout, "in a table as wide as the terminal"
    found = json.loads(run("reconcile", "--json", "--peer", "pacs").stdout)
    assert (found["received"], found["reported"], found["delivered"]) == (1, 1, 0)
    assert [(gap["lacks"], gap["mend"]) for gap in found["gaps"]] == [("delivery", "cxrnode retry --destination pacs")]
    assert run("reconcile", "--day", "2020-01-01").returncode == 0
    unknown = run("reconcile", "--peer", "NOBODY")
    assert (unknown.returncode, "is no destination" in " ".join(unknown.stderr.split())) == (2, True)

"""The page's figures are those of the last runs, to the letter."""

import json

from benchmarks.performance_page import PAGE, RESULTS, replaced, section


def test_the_page_quotes_the_last_runs() -> None:
    receive, turnaround = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("receive", "turnaround"))
    page = PAGE.read_text(encoding="utf-8")
    assert page == replaced(page, section(receive, turnaround))

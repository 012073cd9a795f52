"""The page's figures are those of the last runs, to the letter."""

import json

from benchmarks.performance_page import PAGE, RESULTS, RUNS, replaced, section


def test_the_page_quotes_the_last_runs() -> None:
    results = [json.loads((RESULTS / f"{name}.json").read_text()) for name in RUNS]
    page = PAGE.read_text(encoding="utf-8")
    assert page == replaced(page, section(*results))

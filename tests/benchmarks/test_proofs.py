"""The figures of random kills and of the validators on the pages are those of the runs, to the letter."""

import json
from types import ModuleType

import pytest

from benchmarks import kills_page, validated_page


@pytest.mark.parametrize("writer", [kills_page, validated_page])
def test_the_page_quotes_the_runs(writer: ModuleType) -> None:
    page = writer.PAGE.read_text(encoding="utf-8")
    assert page == writer.replaced(page, writer.section(json.loads(writer.RESULTS.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("count", ["lost", "doubled", "stuck", "sent_though_rejected", "gave_up"])
def test_no_run_of_random_kills_broke_a_promise(count: str) -> None:
    assert sum(run[count] for run in json.loads(kills_page.RESULTS.read_text(encoding="utf-8"))) == 0


def test_the_validators_found_no_error_in_two_hundred_documents() -> None:
    result = json.loads(validated_page.RESULTS.read_text(encoding="utf-8"))
    assert result["errors"] == 0
    assert result["validated"] >= 200

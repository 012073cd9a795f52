"""The interface keeps what its description promises, whatever it is sent; ``benchmarks/api_fuzz.py`` asks longer."""

import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning")
def test_no_request_meets_an_error_or_an_answer_that_was_not_promised() -> None:
    from benchmarks.api_fuzz import console, fuzz

    with console() as (app, token):
        outcomes = fuzz(app, token, examples=2, number=1)
    assert len(outcomes) == 25
    assert [failure for outcome in outcomes for failure in outcome.failures] == []
    assert {status for outcome in outcomes for status in outcome.answers if status >= 500} == set()
    # An act on what is there may be refused as things stand, in words: 409.
    assert all(outcome.answers[200] or outcome.answers[409] for outcome in outcomes)
    assert sum(bool(outcome.answers[200]) for outcome in outcomes) >= 18

"""A destination's settings: what would leak or cannot work is refused when they are read."""

import pytest
from pydantic import ValidationError

from tests.reporting.fhir.conftest import destination


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://fhir.example/r4"}, "in the clear"),
        ({"url": "fhir.example/r4"}, "give an address"),
        ({"url": "https://"}, "give an address"),
        ({"url": "https://fhir.example:port/"}, "give an address"),
        ({"url": "https://fhir.example/r4?x=1"}, "without a query"),
        ({"url": "https://user:secret@fhir.example/r4"}, "take the password out"),
        ({"client_id": "node"}, "together"),
        (
            {"token_file": "a", "token_url": "https://t.example", "client_id": "b", "client_secret_file": "c"},
            "not both",
        ),
        ({"token_url": "http://t.example", "client_id": "b", "client_secret_file": "c"}, "in the clear"),
    ],
)
def test_what_leaks_or_cannot_work_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        destination(**changes)


def test_a_server_has_a_host_and_a_port() -> None:
    made = destination(url="https://fhir.example/r4")
    assert (made.host, made.port) == ("fhir.example", 443)
    made = destination(url="http://[::1]:8080/fhir")
    assert (made.host, made.port) == ("::1", 8080)
    assert destination(url="http://fhir.example", allow_http=True).port == 80

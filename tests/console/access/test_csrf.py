"""Forms of other sites are told from ours."""

from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.access import csrf

TOKEN = csrf.token_of("a session")


def sent(content_type: str, body: bytes) -> str:
    return csrf.sent_token(content_type, body[: csrf.LONGEST_PREFIX])


def test_the_token_is_found_where_it_is_the_first_field() -> None:
    assert sent("application/x-www-form-urlencoded", urlencode({"csrf": TOKEN, "old": "x"}).encode()) == TOKEN
    assert sent("application/x-www-form-urlencoded; charset=UTF-8", f"csrf={TOKEN}".encode()) == TOKEN
    form = httpx.Request("POST", "http://x", data={"csrf": TOKEN}, files={"files": ("a.png", b"x" * 9999)})
    assert sent(form.headers["content-type"], form.read()) == TOKEN


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", f"csrf={TOKEN}"),
        ("text/plain", f"csrf={TOKEN}"),
        ("application/json", f'{{"csrf": "{TOKEN}"}}'),
        ("application/x-www-form-urlencoded", f"old=x&csrf={TOKEN}"),
        ("application/x-www-form-urlencoded", f"csrf={TOKEN}0"),
        ("application/x-www-form-urlencoded", f"csrf={TOKEN[1:]}"),
        ("multipart/form-data; boundary=x", f"csrf={TOKEN}"),
    ],
)
def test_a_form_of_another_shape_brings_none(content_type: str, body: str) -> None:
    assert sent(content_type, body.encode()) == ""


@given(
    st.sampled_from(["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]), st.binary(max_size=600)
)
def test_any_body_is_judged_and_none_is_right_by_chance(content_type: str, body: bytes) -> None:
    found = sent(content_type, body)
    assert found == "" or found.encode() in body
    assert not csrf.is_right("a session", found)


@given(st.text(max_size=60), st.text(max_size=70))
def test_only_the_token_of_the_session_is_right(session: str, guess: str) -> None:
    assert csrf.is_right(session, csrf.token_of(session))
    assert not csrf.is_right(session, guess)
    assert session == "" or session not in csrf.token_of(session) or len(session) < 4

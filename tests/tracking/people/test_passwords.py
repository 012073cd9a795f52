"""Which passwords are taken, and how they are kept."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ActionRefused
from tracking.people import passwords


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "shorter than 12"),
        ("elevenchars", "shorter than 12"),
        ("x1y2z3" * 50, "longer than 256"),
        ("line\nbreak and more", "control character"),
        ("aaaaaaaaaaaab", "different characters"),
        ("Radiologist1", "tried first"),
        ("QWERTYUIOP123", "tried first"),
        ("jane.doe.12345", "user name"),
        ("123 Jane.Doe !!", "user name"),
        ("jane.doejane.doe", "user name"),
    ],
)
def test_an_easily_guessed_password_is_refused_with_the_reason(password: str, words: str) -> None:
    with pytest.raises(ActionRefused, match=words) as caught:
        passwords.check(password, "jane.doe")
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["correct battery staple", "überlange Gedanken", "漢字かな交じり文の合言葉です", "483920175566"]
)
def test_a_long_password_needs_no_signs_of_any_kind(password: str) -> None:
    passwords.check(password, "jane.doe")


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_text_is_judged(password: str, name: str) -> None:
    try:
        passwords.check(password, name)
    except ActionRefused:
        return
    assert len(password) >= passwords.SHORTEST


def test_a_password_is_right_in_either_form_of_its_letters_and_nothing_else_is() -> None:
    kept = passwords.hash_password("caf\u00e9 au lait, 3 times")
    assert kept.startswith("$argon2id$")
    assert passwords.is_right(kept, "cafe\u0301 au lait, 3 times")
    assert not passwords.is_right(kept, "cafe au lait, 3 times")
    assert not passwords.is_right(kept, "")
    assert not passwords.is_right(None, "caf\u00e9 au lait, 3 times")
    assert not passwords.is_right("no hash", "x")


def test_what_is_too_long_to_be_a_password_is_wrong() -> None:
    longest = "ab1" * 85 + "x"
    kept = passwords.hash_password(longest)
    assert passwords.is_right(kept, longest)
    assert not passwords.is_right(kept, longest + "y")


def test_a_one_time_password_is_random_and_follows_the_rules() -> None:
    drawn = {passwords.one_time_password() for _ in range(50)}
    assert len(drawn) == 50
    for password in drawn:
        passwords.check(password, "admin")


def test_nodes_hash_with_the_parameters_that_rfc_9106_recommends() -> None:
    assert extract_parameters(PasswordHasher().hash("x")) == RFC_9106_LOW_MEMORY

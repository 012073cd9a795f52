"""Passwords: which are taken, and how they are kept (Argon2id, RFC 9106).

Lengths and the list of common ones follow NIST SP 800-63B 5.1.1.2: long, no rules of composition, none that every
attacker tries first.
"""

import secrets
import string
import unicodedata
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from config.errors import ActionRefused

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 12
LONGEST = 256
_FEWEST_DIFFERENT = 5
_ONE_TIME_CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters and digits that are read as one another."""
_ONE_TIME_GROUPS, _ONE_TIME_GROUP = 4, 5


def check(password: str, name: str) -> None:
    """Refuse a password that is easily guessed.

    Raises
    ------
    ActionRefused
        The message says which rule it breaks, and never repeats it.
    """
    problem = _problem(_normal(password), name)
    if problem:
        msg = f"the password {problem}; choose another"
        raise ActionRefused(msg)


def check_differs(old: str, new: str) -> None:
    """Refuse a new password that is the old one. Raises :class:`ActionRefused`."""
    if _normal(old) == _normal(new):
        msg = "the new password is the old one; choose another"
        raise ActionRefused(msg)


def hash_password(password: str) -> str:
    """Return the hash to keep: Argon2id with a salt of its own, in the PHC format."""
    return _hasher().hash(_normal(password))


def is_right(password_hash: str | None, password: str) -> bool:
    """Say whether a password is the one that was hashed.

    Without a hash, as for a user who does not exist, the answer is no after the same work.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    given = _normal(password) if len(password) <= LONGEST else ""
    try:
        return _hasher().verify(password_hash or _nobodys_hash(), given) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Say whether a hash was made with other parameters than those in force."""
    return _hasher().check_needs_rehash(password_hash)


def one_time_password() -> str:
    """Return a random password of 99 bits that is easily typed."""
    letters = [secrets.choice(_ONE_TIME_CHARACTERS) for _ in range(_ONE_TIME_GROUPS * _ONE_TIME_GROUP)]
    return "-".join("".join(letters[start::_ONE_TIME_GROUPS]) for start in range(_ONE_TIME_GROUPS))


def _problem(password: str, name: str) -> str:
    if len(password) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if any(unicodedata.category(character) == "Cc" for character in password):
        return "holds a control character"
    if len(set(password)) < _FEWEST_DIFFERENT:
        return f"has fewer than {_FEWEST_DIFFERENT} different characters"
    core = password.casefold().strip(string.digits + string.punctuation + " ")
    if core and not core.replace(name.casefold(), "").strip(string.digits + string.punctuation + " "):
        return "is the user name with little added"
    if password.casefold() in _common():
        return "is one of those that are tried first"
    return ""


def _normal(password: str) -> str:
    """Return a password as every keyboard writes it: é is one letter or two on different systems (RFC 8265 4.2)."""
    return unicodedata.normalize("NFC", password)


@cache
def _common() -> frozenset[str]:
    return frozenset(files("tracking.people").joinpath("common_passwords.txt").read_text(encoding="utf-8").split())


@cache
def _hasher() -> "PasswordHasher":
    """Return the hasher, with the library's parameters: RFC 9106's second recommendation, 64 MiB and 3 passes."""
    from argon2 import PasswordHasher  # which brings a C library that few commands need

    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe())

"""Users: names, roles, changes, the first administrator; and API tokens."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from config.errors import ActionRefused
from tests.logins import LIMITS, OPERATOR, noted
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people import api_tokens, logins, passwords, users
from tracking.people.logins import LoggedIn
from tracking.people.roles import Role, Scope
from tracking.people.users import Identity
from tracking.tables.user_models import ApiToken


def add(database: Database, name: str, role: Role = Role.VIEWER) -> None:
    with database.transaction() as tx:
        users.add(tx, name, role, passwords.hash_password("whatever it may be"), by=OPERATOR)


def test_roles_include_one_another_in_order() -> None:
    assert [[a.includes(b) for b in Role] for a in Role] == [
        [True, False, False], [True, True, False], [True, True, True],
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", ".x", "x" * 65, "a:b", "a\nb", "a/b", "<b>", "\x00"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ActionRefused, match="1 to 64 letters"):
        users.check_name(name)


@given(st.text(max_size=80))
def test_a_name_that_is_taken_is_found_in_any_spelling(name: str) -> None:
    try:
        kept = users.check_name(name)
    except ActionRefused:
        return
    assert users.folded(kept) == kept == users.folded(f" {name} ")


def test_a_name_is_given_once(database: Database) -> None:
    add(database, "dr.Müller")
    with pytest.raises(ActionRefused, match="already"):
        add(database, "DR.MÜLLER")
    with database.reading() as read:
        assert [user.name for user in users.every(read)] == ["dr.müller"]


def test_every_change_is_written_into_the_audit_log(database: Database) -> None:
    add(database, "jane")
    with database.transaction() as tx:
        users.set_role(tx, "jane", Role.ADMINISTRATOR, by=OPERATOR)
        users.set_role(tx, "jane", Role.ADMINISTRATOR, by=OPERATOR)
        users.set_password(tx, "jane", passwords.hash_password("another secret"), by=OPERATOR, must_change=True)
        users.disable(tx, "jane", by=OPERATOR)
        users.disable(tx, "jane", by=OPERATOR)
        users.enable(tx, "jane", by=OPERATOR)
    lines = noted(database, AuditEventType.USER_CHANGED)
    assert [line["what"] for line in lines] == ["added", "role", "password", "disabled", "enabled"]
    assert {(line["subject"], line["user"]) for line in lines} == {("jane", "root")}


def test_who_is_not_there_cannot_be_changed(database: Database) -> None:
    with database.transaction() as tx, pytest.raises(ActionRefused, match="cxrnode user list"):
        users.disable(tx, "nobody", by=OPERATOR)


def test_enabling_ends_the_wait_after_failed_logins(database: Database) -> None:
    add(database, "jane")
    for _ in range(3):
        logins.log_in(database, "jane", "wrong", address="192.0.2.7", limits=LIMITS)
    with database.transaction() as tx:
        assert users.every(tx)[0].waits_seconds == 1
        users.enable(tx, "jane", by=OPERATOR)
        assert users.every(tx)[0].waits_seconds == 0


def test_the_first_administrator_is_made_once_and_has_to_choose_a_password(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: users.add_first_administrator(database), range(4)))
    (password,) = [word for word in made if word is not None]
    assert users.add_first_administrator(database) is None
    result = logins.log_in(database, "admin", password, address="127.0.0.1", limits=LIMITS)
    assert isinstance(result, LoggedIn)
    assert result.identity == Identity("admin", Role.ADMINISTRATOR, must_change=True)


def test_a_token_stands_for_its_user_within_its_scopes(database: Database) -> None:
    add(database, "jane", Role.RADIOLOGIST)
    with database.transaction() as tx:
        token = api_tokens.add(tx, "Jane", {Scope.READ, Scope.DICOMWEB}, by=OPERATOR, purpose="viewer")
    assert token.startswith("cxrnode_")
    with database.reading() as read:
        holder = api_tokens.find(read, token)
        assert api_tokens.find(read, token[:-1]) is None
        assert token not in str(read.scalars(select(ApiToken.token_digest)).all())
    scopes = frozenset({Scope.READ, Scope.DICOMWEB})
    assert holder == api_tokens.TokenHolder(Identity("jane", Role.RADIOLOGIST), scopes, "1 viewer")


@pytest.mark.parametrize("what", ["revoked", "expired", "disabled"])
def test_a_token_ends(database: Database, what: str) -> None:
    add(database, "jane")
    with database.transaction() as tx:
        token = api_tokens.add(tx, "jane", {Scope.READ}, by=OPERATOR, days=1)
        (summary,) = api_tokens.every(tx)
    with database.transaction() as tx:
        if what == "revoked":
            api_tokens.revoke(tx, summary.id, by=OPERATOR)
        elif what == "expired":
            tx.execute(update(ApiToken).values(expires_at=ApiToken.expires_at - 24 * 3600 * 1000))
        else:
            users.disable(tx, "jane", by=OPERATOR)
    with database.reading() as read:
        assert api_tokens.find(read, token) is None


def test_tokens_are_audited_and_only_known_ones_revoked(database: Database) -> None:
    add(database, "jane")
    with database.transaction() as tx:
        api_tokens.add(tx, "jane", {Scope.READ, Scope.ACT}, by=OPERATOR)
        number = api_tokens.every(tx)[0].id
        api_tokens.revoke(tx, number, by=OPERATOR)
        api_tokens.revoke(tx, number, by=OPERATOR)
        with pytest.raises(ActionRefused, match="cxrnode token list"):
            api_tokens.revoke(tx, number + 1, by=OPERATOR)
        with pytest.raises(ActionRefused, match="printable"):
            api_tokens.add(tx, "jane", {Scope.READ}, by=OPERATOR, purpose="a\nb")
    assert noted(database, AuditEventType.USER_CHANGED)[1:] == [
        {"what": "token-added", "subject": "jane", "token": number, "scopes": "act read", "user": "root"},
        {"what": "token-revoked", "subject": "jane", "token": number, "user": "root"},
    ]

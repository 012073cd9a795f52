"""Logging in with OpenID Connect: who gets in as whom, and every answer of a provider that opens nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from config.console_settings import OpenIdSettings
from config.errors import PeerUnavailable
from config.settings import Settings
from console.access.openid.attempt import AttemptCookie, new_attempt
from console.access.openid.person import person_of
from console.pages import login, openid, worklist
from cxrnode.doctor import upkeep
from tests.console.access.openid_provider import CLIENT, SECRET, Provider, serving
from tests.console.visitors import PASSWORD, SAME_SITE, begin_session
from tests.logins import noted
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people import user_sessions, users
from tracking.people.logins import Person
from tracking.people.roles import Role
from tracking.people.user_sessions import Limits
from tracking.people.users import Actor

DONE = "/login/openid/done"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving(Provider()) as running:
        running.claims["groups"] = ["staff", "doctors"]
        yield running


@pytest.fixture
def visit(
    browse: Callable[..., TestClient], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TestClient]:
    """Return a function that opens the console with a login page that knows the provider."""
    monkeypatch.setattr("console.app.PAGES", (worklist, login, openid))  # all of them take long to put together
    monkeypatch.setattr("console.app.api.routers", lambda _: [])
    monkeypatch.setattr("console.app.dicomweb.routers", lambda _: [])

    def open_console(local_login: str = "all", **options: Any) -> TestClient:
        told = {
            "issuer": provider.issuer, "address": "http://127.0.0.1:8480", "client_id": CLIENT,
            "client_secret": SECRET, "name": "the hospital", "roles": {"doctors": "radiologist", "it": "administrator"},
        }  # fmt: skip
        browser = browse(role=None, openid=told | options, local_login=local_login)
        browser.headers.update(SAME_SITE)
        browser.follow_redirects = False
        return browser

    return open_console


def log_in(browser: TestClient, provider: Provider, following: str = "/") -> Response:
    sent = browser.get("/login/openid", params={"next": following})
    assert sent.status_code == 303, sent.text
    return browser.get(DONE + provider.authorize(sent.headers["Location"]))


def because(database: Database) -> list[str]:
    return [line["because"] for line in noted(database, AuditEventType.LOGIN_FAILED)]


def test_somebody_of_the_provider_gets_in_with_the_role_that_the_claim_gives(
    visit: Callable[..., TestClient], provider: Provider, database: Database
) -> None:
    browser = visit()
    assert "Log in with the hospital" in browser.get("/login").text
    answer = log_in(browser, provider, "/study/1.9?x=1")
    assert (answer.status_code, answer.headers["Refresh"]) == (200, "0; url=/study/1.9?x=1")
    assert 'href="/study/1.9?x=1"' in answer.text
    cookies = answer.headers.get_list("set-cookie")
    assert "SameSite=strict" in next(cookie for cookie in cookies if cookie.startswith("cxrnode="))
    assert "Max-Age=0" in next(cookie for cookie in cookies if cookie.startswith("cxrnode-openid="))
    page = browser.get("/").text
    assert "jane.doe" in page
    assert "radiologist" in page
    with database.reading() as read:
        (user,) = users.every(read)
    assert (user.name, user.role, user.issuer) == ("jane.doe", Role.RADIOLOGIST, provider.issuer)
    (line,) = noted(database, AuditEventType.USER_LOGIN)
    assert line == {
        "user": "jane.doe", "address": "192.0.2.55", "role": "radiologist", "how": "openid", "issuer": provider.issuer,
    }  # fmt: skip


def test_the_provider_s_word_counts_at_each_login(
    visit: Callable[..., TestClient], provider: Provider, database: Database
) -> None:
    browser = visit()
    log_in(browser, provider)
    provider.claims |= {"groups": "it", "preferred_username": "jane.roe"}
    log_in(browser, provider)
    with database.reading() as read:
        (user,) = users.every(read)
    assert (user.name, user.role) == ("jane.doe", Role.ADMINISTRATOR), "who somebody is follows from the subject alone"
    provider.claims["groups"] = []
    before = browser.cookies["cxrnode"]
    answer = log_in(browser, provider)
    assert (answer.status_code, "gives no role" in answer.text) == (403, True)
    with database.reading() as read:
        assert user_sessions.find(read, before, Limits(600, 600)) is None, "what was open ends with the role"
    assert "gives no role" in because(database)[0]


def test_a_disabled_user_and_a_name_that_somebody_has_are_refused_in_words(
    visit: Callable[..., TestClient], provider: Provider, database: Database
) -> None:
    begin_session(database, Role.VIEWER)
    provider.claims["preferred_username"] = "dr.viewer"
    browser = visit()
    answer = log_in(browser, provider)
    assert (answer.status_code, "another user has the name" in answer.text.lower()) == (403, True)
    with database.transaction() as tx:
        users.link(tx, "dr.viewer", provider.issuer, "4711", by=Actor("root"))
    assert log_in(browser, provider).status_code == 200
    with database.transaction() as tx:
        users.disable(tx, "dr.viewer", by=Actor("root"))
    assert "disabled" in log_in(browser, provider).text
    assert [line.get("user") for line in noted(database, AuditEventType.LOGIN_FAILED)] == [None, "dr.viewer"]


def test_a_person_of_the_provider_has_no_password_here(
    visit: Callable[..., TestClient], provider: Provider, database: Database
) -> None:
    browser = visit()
    log_in(browser, provider)
    assert "keeps your password" in browser.get("/password").text
    with database.transaction() as tx, pytest.raises(Exception, match="has no password here"):
        users.set_password(tx, "jane.doe", "x", by=Actor("root"))
    for word in ("", PASSWORD):
        assert browser.post("/login", data={"user": "jane.doe", "password": word}).status_code in {401, 429}


def test_passwords_may_be_for_administrators_alone(
    visit: Callable[..., TestClient], provider: Provider, database: Database
) -> None:
    for role in (Role.RADIOLOGIST, Role.ADMINISTRATOR):
        begin_session(database, role)
    browser = visit(local_login="administrators")
    assert "for administrators of this node alone" in browser.get("/login").text
    answer = browser.post("/login", data={"user": "dr.radiologist", "password": PASSWORD})
    assert (answer.status_code, "log in with the hospital" in answer.text) == (401, True)
    assert browser.post("/login", data={"user": "dr.administrator", "password": PASSWORD}).status_code == 303
    assert because(database) == ["password where the OpenID provider is asked"]


@pytest.mark.parametrize(
    "answers",
    [
        [
            ({"metadata": {"issuer": "https://evil.example"}}, "another issuer"),
            ({"metadata": {"token_endpoint": "http://evil.example/"}}, "without TLS"),
            ({"metadata": {"jwks_uri": None}}, "lacks an endpoint"),
            ({"down": True}, "does not give its discovery document"),
        ],
        [({"metadata": {"authorization_response_iss_parameter_supported": True}}, "another provider")],
        [
            ({"wrong": {"nonce": "other"}}, "nonce"),
            ({"wrong": {"nonce": None}}, "nonce"),
            ({"wrong": {"aud": "another client"}}, "aud"),
            ({"wrong": {"aud": ["cxrnode", "another client"]}}, "azp"),
            ({"wrong": {"iss": "https://evil.example"}}, "iss"),
            ({"wrong": {"exp": 1}}, "expired"),
            ({"wrong": {"sub": None}}, "sub"),
            ({"wrong": {"at_hash": "x"}}, "at_hash"),
            ({"algorithm": "none"}, "does not hold"),
            ({"signed_by": "another"}, "does not hold"),
            ({"kid": "unknown"}, "invalid_key_id"),
        ],
    ],
    ids=["discovery", "sender", "token"],
)
def test_an_answer_that_fails_a_check_opens_nothing_and_is_audited(
    visit: Callable[..., TestClient],
    provider: Provider,
    database: Database,
    answers: list[tuple[dict[str, Any], str]],
) -> None:
    browser = visit()
    for wrong, words in answers:
        for name, value in (vars(Provider()) | wrong).items():
            if name not in {"issuer", "codes", "asked"}:
                setattr(provider, name, value)
        sent = browser.get("/login/openid")
        back = browser.get(DONE + provider.authorize(sent.headers["Location"])) if sent.status_code == 303 else sent
        assert back.status_code == (503 if provider.down else 403), words
        assert words in back.text
        assert "cxrnode" not in browser.cookies
        assert browser.get("/").status_code == 303
    assert answers[0][1] in because(database)[0]


def test_a_key_that_the_provider_has_changed_is_asked_for_anew(
    visit: Callable[..., TestClient], provider: Provider
) -> None:
    browser = visit()
    assert log_in(browser, provider).status_code == 200
    provider.kid = provider.published = "second"
    assert log_in(browser, provider).status_code == 200
    assert provider.asked.count("/jwks") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


def test_only_the_browser_that_began_a_login_ends_it(visit: Callable[..., TestClient], provider: Provider) -> None:
    victim, attacker = visit(), visit()
    back = provider.authorize(attacker.get("/login/openid").headers["Location"])
    assert victim.get(DONE + back).status_code == 403, "without a login of its own"
    victim.get("/login/openid")
    assert victim.get(DONE + back).status_code == 403, "with another one"
    assert attacker.get(DONE + back).status_code == 200
    attacker.cookies.clear()
    attacker.get("/login/openid")
    assert attacker.get(DONE + back).status_code == 403, "a second time"


def test_a_call_that_no_provider_made_is_refused(visit: Callable[..., TestClient], provider: Provider) -> None:
    browser = visit()
    for query in ("", "?code=x", "?state=x", "?error=access_denied"):
        assert browser.get(DONE + query).status_code == 403
    sent = browser.get("/login/openid").headers["Location"]
    state = sent.partition("state=")[2].partition("&")[0]
    answer = browser.get(f"{DONE}?error=access_denied&error_description=Doe&state={state}")
    assert (answer.status_code, "access_denied" in answer.text, "Doe" in answer.text) == (403, True, False)


def test_after_the_provider_nobody_is_sent_elsewhere(visit: Callable[..., TestClient], provider: Provider) -> None:
    browser = visit()
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert log_in(browser, provider, elsewhere).headers["Refresh"] == "0; url=/"
    sent = browser.get("/login/openid")
    cookie = browser.cookies["cxrnode-openid"].partition(".")[0] + ".Ly9ldmlsLmV4YW1wbGU"
    browser.cookies.clear()
    back = browser.get(
        DONE + provider.authorize(sent.headers["Location"]), headers={"Cookie": f"cxrnode-openid={cookie}"}
    )
    assert back.headers["Refresh"] == "0; url=/"


def test_the_address_of_the_way_back_is_that_of_the_settings(
    visit: Callable[..., TestClient], provider: Provider
) -> None:
    sent = visit().get("/login/openid", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "redirect_uri=http%3A%2F%2F127.0.0.1%3A8480%2Flogin%2Fopenid%2Fdone" in sent.headers["Location"]
    assert "evil" not in sent.headers["Location"]


def test_what_the_id_token_lacks_is_asked_for_of_the_same_person(
    visit: Callable[..., TestClient], provider: Provider
) -> None:
    del provider.claims["groups"]
    provider.userinfo = {"sub": "4711", "groups": ["doctors"]}
    assert log_in(visit(), provider).status_code == 200
    provider.userinfo = {"sub": "4712", "groups": ["it"]}
    answer = log_in(visit(), provider)
    assert (answer.status_code, "somebody else" in answer.text) == (403, True)


def test_logging_out_ends_the_session_here_and_goes_on_to_the_provider(
    visit: Callable[..., TestClient], provider: Provider, database: Database
) -> None:
    browser = visit()
    log_in(browser, provider)
    token = browser.get("/password").text.partition('name="csrf" value="')[2][:64]
    answer = browser.post("/logout", data={"csrf": token})
    assert (answer.status_code, "Max-Age=0" in answer.headers["Set-Cookie"]) == (200, True)
    assert answer.headers["Refresh"].startswith(f"0; url={provider.issuer}/end?client_id=cxrnode&post_logout")
    assert "jane.doe" not in answer.text
    assert browser.get("/").status_code == 303


def test_the_doctor_asks_the_provider(provider: Provider, settings: Settings) -> None:
    told = {
        "issuer": provider.issuer,
        "address": "http://127.0.0.1:8480",
        "client_id": CLIENT,
        "default_role": "viewer",
    }
    checked = Settings(**settings.model_dump() | {"console": {"openid": told}})
    (found,) = upkeep.login_provider(checked)
    assert (found.state, provider.issuer in found.found) == ("ok", True)
    provider.down = True
    with pytest.raises(PeerUnavailable, match="discovery document"):
        list(upkeep.login_provider(checked))


def test_without_settings_there_is_no_such_login(browse: Callable[..., TestClient]) -> None:
    browser = browse(role=None)
    assert browser.get("/login/openid").status_code == browser.get(DONE).status_code == 404
    assert "openid" not in browser.get("/login").text


def test_a_flood_of_logins_is_sent_away(
    visit: Callable[..., TestClient], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.pages.openid._MOST_WAITING", 0)
    answer = visit().get("/login/openid")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


# --- what needs no provider --------------------------------------------------------------------------------------

SETTINGS = OpenIdSettings(
    issuer="https://login.example", address="https://node.example", client_id="cxrnode",
    roles={"doctors": "radiologist", "it": "administrator"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "more", "name", "role"),
    [
        ({"preferred_username": "Jane"}, {}, "jane", None),
        ({"preferred_username": "Jane Doe", "email": "Jane@x.example"}, {}, "jane@x.example", None),
        ({"groups": "doctors"}, {}, "4711", Role.RADIOLOGIST),
        ({"groups": ["doctors", "it", 7, None]}, {}, "4711", Role.ADMINISTRATOR),
        ({"groups": {"doctors": True}}, {}, "4711", None),
        ({"groups": ["others"]}, {"default_role": "viewer"}, "4711", Role.VIEWER),
        ({"realm": {"roles": ["it"]}}, {"role_claim": "realm.roles"}, "4711", Role.ADMINISTRATOR),
        ({"https://x.example/roles": "it"}, {"role_claim": "https://x.example/roles"}, "4711", Role.ADMINISTRATOR),
        ({"email": "a b"}, {"name_claims": ["email"]}, None, None),
    ],
)
def test_claims_give_a_name_and_the_highest_role(
    claims: dict[str, Any], more: dict[str, Any], name: str | None, role: Role | None
) -> None:
    settings = OpenIdSettings(**SETTINGS.model_dump() | more)
    assert person_of({"sub": "4711", **claims}, settings) == Person("https://login.example", "4711", name, role)


def test_without_a_map_administrators_of_the_node_give_roles_after_the_first_login() -> None:
    settings = OpenIdSettings(**SETTINGS.model_dump() | {"roles": {}, "default_role": "viewer"})
    person = person_of({"sub": "1", "groups": ["it"]}, settings)
    assert (person.role, person.keeps_role) == (Role.VIEWER, True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["groups", "email", "preferred_username", "x"]), json_values, max_size=4))
def test_no_claims_break_or_open_more_than_the_map_says(claims: dict[str, Any]) -> None:
    person = person_of({"sub": "1", **claims}, SETTINGS)
    assert person.name is None or users.is_name(person.name)
    words = claims.get("groups")
    named = words if isinstance(words, list) else [words]
    assert (person.role is not None) == any(word in {"doctors", "it"} for word in named if isinstance(word, str))


@given(st.text(max_size=60))
def test_a_cookie_of_somebody_else_is_none_or_leads_nowhere(value: str) -> None:
    attempt = AttemptCookie(encrypted=True).read(f"__Host-cxrnode-openid={value}")
    assert attempt is None or not attempt.is_of("")


def test_what_leaves_the_browser_gives_nothing_away() -> None:
    attempt = new_attempt("/")
    values = {attempt.secret, attempt.state, attempt.nonce, attempt.verifier}
    assert len(values) == 4
    assert {len(value) for value in values} == {43}

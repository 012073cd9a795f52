"""The bell in the header of every page, and the filters that users save."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from console.app import make_app
from console.live import reader as live
from tests.authority import Authority
from tests.console.visitors import SAME_SITE, begin_session
from tracking.audit_log import refusals
from tracking.audit_log.refusals import Refusal, RefusalKind
from tracking.engine.database import Database
from tracking.lists.attention import Attention
from tracking.people.roles import Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Record = Callable[..., None]


@pytest.fixture
def needing(database: Database, receive: Record, analyse: Record, build: Record) -> None:
    """A study with two patients, one with a quarantined document, and a refusal."""
    receive("1.1")
    receive("1.2", patient_name="Roe^Mary", patient_id="OTHER")
    receive("2.1", study="2.9")
    analyse("2.9", 1, "2.1")
    build(1, "pacs", quarantined="bad")
    with database.transaction() as tx:
        refusals.add(tx, {Refusal(RefusalKind.ASSOCIATION, "unknown caller", "allow it"): 3})


def bell(page: str) -> dict[str, str]:
    """Return the words of the bell's lines by address."""
    lines = re.findall(r'<li><a href="([^"]*)"><b>([^<]*)</b> ([^<]*)</a></li>', page)
    return {address: f"{count} {what}" for address, count, what in lines}


@pytest.mark.parametrize("page", ["/", "/study/2.9", "/destinations", "/audit", "/analyse"])
def test_every_page_says_what_needs_a_person(browser: TestClient, needing: None, page: str) -> None:
    assert bell(browser.get(page).text) == {
        "/?status=conflict": "1 study with two patients",
        "/?needs=document": "1 study with a quarantined document",
        "/refusals?days=1": "1 kind of refusal since yesterday",
    }


def test_each_line_leads_to_what_it_counts(browser: TestClient, needing: None) -> None:
    assert re.findall('data-key="(.*?)"', browser.get("/?status=conflict").text) == ["1.9"]
    assert re.findall('data-key="(.*?)"', browser.get("/?needs=document").text) == ["2.9"]
    assert "unknown caller" in browser.get("/refusals?days=1").text


def test_who_may_not_see_a_list_has_no_line_for_it(browse: Callable[..., TestClient], needing: None) -> None:
    assert "/refusals?days=1" not in bell(browse(role=Role.VIEWER).get("/").text)


def test_nothing_that_waits_is_said_too(browser: TestClient) -> None:
    assert "Nothing needs a person" in browser.get("/").text


def test_whoever_is_not_logged_in_hears_no_bell(browse: Callable[..., TestClient], needing: None) -> None:
    page = browse(role=None).get("/login").text
    assert "bell" not in page
    assert "needs a person" not in page


def test_many_pages_in_a_moment_count_once(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 3600)
    asked: list[object] = []
    monkeypatch.setattr(live, "count_attention", lambda read: asked.append(read) or Attention(work=2000))
    assert [bell(browser.get("/").text) for _ in range(3)] == [
        {"/?needs=work": "more than 1000 analyses or reports stopped"}
    ] * 3
    assert len(asked) == 1


def test_a_filter_is_saved_shown_and_deleted(browser: TestClient, browse: Callable[..., TestClient]) -> None:
    page = browser.get("/?status=conflict&q=Doe").text
    query = re.search('name="query" value="(.*?)"', page)
    assert query is not None
    fields = {"query": query[1].replace("&amp;", "&"), "name": "<mine>\0"}
    answer = browser.post("/filters", data=fields, headers=SAME_SITE, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?q=Doe&status=conflict")
    page = browser.get("/").text
    assert '<a href="/?q=Doe&amp;status=conflict">&lt;mine&gt;</a>' in page
    assert "mine" not in browse(role=Role.VIEWER).get("/").text
    browser.post("/filters/delete", data={"name": "<mine>"}, headers=SAME_SITE)
    assert "mine" not in browser.get("/").text


def test_a_filter_leads_to_the_worklist_and_nowhere_else(browser: TestClient) -> None:
    fields = {"query": "//elsewhere.example/?after=1~1.9&x=1&urgent=1", "name": "evil"}
    answer = browser.post("/filters", data=fields, headers=SAME_SITE, follow_redirects=False)
    assert answer.headers["Location"] == "/?urgent=1"


def test_a_filter_without_a_name_is_refused_in_words(browser: TestClient) -> None:
    answer = browser.post("/filters", data={"query": "?urgent=1", "name": " "}, headers=SAME_SITE)
    assert answer.status_code == 422
    assert "The name of a filter has 1 to 60 characters" in answer.text


@pytest.mark.parametrize(("role", "is_told"), [(Role.ADMINISTRATOR, True), (Role.RADIOLOGIST, False)])
def test_certificates_that_expire_are_told_to_whoever_can_renew_them(
    settings: Settings, database: Database, tmp_path: Path, role: Role, is_told: bool
) -> None:
    authority = Authority(tmp_path / "authority")
    pairs = {"good": authority.issue("good", days=90), "soon": authority.issue("soon", days=3)}
    destination = {"kind": "hl7", "host": "127.0.0.1", "port": 1, "tls": True}
    destinations = [destination | {"name": name} | pair.options("tls_") for name, pair in pairs.items()]
    told = Settings(**settings.model_dump() | {"destinations": destinations})
    with TestClient(make_app(told, database), cookies={"cxrnode": begin_session(database, role)}) as browser:
        page = browser.get("/destinations").text
    assert (bell(page).get("/destinations") == "1 certificate that expires") is is_told
    assert ("soon.crt" in page) is is_told

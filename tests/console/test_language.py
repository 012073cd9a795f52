"""The language of pages: that of the site, or the one that somebody chose; programs are answered in English."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from config.language.translation import ENDONYMS, Language
from config.settings import Settings
from console.access.cookies import language_cookie
from console.app import make_app
from tests.console.visitors import begin_session
from tracking.audit_log import audit
from tracking.engine.database import Database
from tracking.people.roles import Role

PAGES = (
    "/", "/study/1.9", "/analyse", "/flow", "/plots", "/destinations", "/models", "/refusals", "/audit", "/users",
    "/password", "/study/1.9/withdraw", "/study/1.9/resend", "/nothing",
)  # fmt: skip
WORKLIST = {
    Language.ENGLISH: "Worklist", Language.GERMAN: "Arbeitsliste", Language.FRENCH: "Liste de travail",
    Language.SPANISH: "Lista de trabajo", Language.ITALIAN: "Lista di lavoro", Language.PORTUGUESE: "Lista de trabalho",
}  # fmt: skip


def of_site(settings: Settings, database: Database, language: Language) -> TestClient:
    node = settings.node.model_copy(update={"language": language})
    client = TestClient(make_app(settings.model_copy(update={"node": node}), database), base_url="http://127.0.0.1")
    client.cookies.set("cxrnode", begin_session(database, Role.ADMINISTRATOR))
    return client


@pytest.mark.parametrize("language", Language)
def test_pages_speak_the_language_of_the_site(settings: Settings, database: Database, language: Language) -> None:
    page = of_site(settings, database, language).get("/").text
    assert f'<html lang="{language}">' in page
    assert f"<h1>{WORKLIST[language]} " in page


def test_somebody_chooses_another_language_and_comes_back_to_the_page(browser: TestClient) -> None:
    answer = browser.get(
        "/language?to=de", headers={"Referer": "http://127.0.0.1:8480/refusals?days=1"}, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/refusals?days=1")
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    page = browser.get("/refusals?days=1").text
    assert '<html lang="de">' in page
    assert "<h1>Abweisungen</h1>" in page
    assert 'lang="de" hreflang="de" aria-current="true">Deutsch' in page


@pytest.mark.parametrize(
    "referer", ["", "http://evil.example/refusals", "http://127.0.0.1:8480/logout", "http://[", "x"]
)
def test_nobody_is_sent_to_what_is_no_page_of_these(browser: TestClient, referer: str) -> None:
    answer = browser.get("/language?to=fr", headers={"Referer": referer}, follow_redirects=False)
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("code", ["", "xx", "de\r\nX: y", "DE", "../de"])
def test_a_language_that_is_not_spoken_is_not_chosen(browser: TestClient, code: str) -> None:
    answer = browser.get("/language", params={"to": code}, follow_redirects=False)
    assert answer.status_code == 404
    assert "Set-Cookie" not in answer.headers
    browser.cookies.set(language_cookie.name, "xx")
    assert '<html lang="en">' in browser.get("/").text


def test_the_login_is_chosen_for_before_anybody_has_logged_in(browse: Callable[..., TestClient]) -> None:
    browser = browse(role=None)
    browser.get("/language?to=it", follow_redirects=False)
    assert "<h1>Accedi</h1>" in browser.get("/login").text


def test_programs_and_the_audit_log_are_spoken_to_in_english(
    settings: Settings, database: Database, receive: Callable[..., None]
) -> None:
    receive("1.1")
    browser = of_site(settings, database, Language.GERMAN)
    assert browser.get("/api/v1/studies/7.7").json()["detail"] == "There is nothing of this address on record."
    assert "Studie" in browser.get("/study/1.9/resend").text
    with database.reading() as read:
        details = [str(line.detail) for line in audit.last_lines(read, 5)]
    assert any("asked whether to resend" in detail for detail in details)


def test_every_page_is_there_in_another_language(
    settings: Settings, database: Database, receive: Callable[..., None]
) -> None:
    receive("1.1")
    browser = of_site(settings, database, Language.GERMAN)
    for path in PAGES:
        answer = browser.get(path)
        assert answer.status_code == (404 if path == "/nothing" else 200), path
        assert '<html lang="de">' in answer.text
        assert ENDONYMS[Language.ITALIAN] in answer.text


def test_a_name_is_text_in_every_language(settings: Settings, database: Database, receive: Callable[..., None]) -> None:
    receive("1.1", patient_name="<script>alert(1)</script>%(x)s%", patient_id="</title>%s")
    page = of_site(settings, database, Language.GERMAN).get("/study/1.9").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;%(x)s%" in page

"""A login with a certified OpenID provider that nobody here wrote: the npm package ``oidc-provider``.

``OIDC_PROVIDER`` names the folder ``node_modules`` that holds it; else it is where ``scripts/peers`` puts it.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from config.settings import Settings
from console.app import make_app
from tests.console.conftest import TestClient
from tests.console.visitors import SAME_SITE
from tests.logins import noted
from tests.peers.browsers import new_page, serving
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database

ROOT = Path(__file__).parents[2]
CONSOLE = "http://127.0.0.1:8480"
STARTUP_SECONDS = 30.0
SERVER = """
import Provider from '%(package)s';
const people = { jane: ['doctors'], john: ['visitors'] };
const provider = new Provider('%(issuer)s', {
  clients: [{
    client_id: 'cxrnode', client_secret: 'a secret', application_type: 'native',
    redirect_uris: ['%(console)s/login/openid/done'],
    post_logout_redirect_uris: ['%(console)s/login'], response_types: ['code'],
  }],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: people[id] }) }),
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  pkce: { required: () => true },
  cookies: { keys: ['a key'] },
});
provider.listen(%(port)d, '127.0.0.1');
"""

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


Start = Callable[..., str]


@pytest.fixture
def start(tmp_path: Path, program: Callable[[str], str], free_port: Callable[[], int]) -> Iterator[Start]:
    """Return a function that starts a provider, whose development forms take any user name; it returns the issuer."""
    modules = Path(os.environ.get("OIDC_PROVIDER") or ROOT / ".venv" / "npm" / "node_modules")
    package = modules / "oidc-provider" / "lib" / "index.js"
    if not package.is_file():
        pytest.skip("the npm package oidc-provider is not installed")
    running: list[subprocess.Popen[bytes]] = []

    def start_for(console: str, host: str = "127.0.0.1") -> str:
        port = free_port()
        issuer = f"http://{host}:{port}"
        script, log = tmp_path / "provider.mjs", tmp_path / "provider.log"
        values = {"package": package, "issuer": issuer, "console": console, "port": port}
        script.write_text(SERVER % values, encoding="utf-8")
        with log.open("wb") as output:
            running.append(subprocess.Popen([program("node"), script], stdout=output, stderr=subprocess.STDOUT))
        end = time.monotonic() + STARTUP_SECONDS
        while not _answers(issuer):
            if running[-1].poll() is not None or time.monotonic() > end:
                pytest.fail(log.read_text(errors="replace")[-2000:])
            time.sleep(0.05)
        return issuer

    yield start_for
    for server in running:
        server.kill()
        server.wait(STARTUP_SECONDS)


def told(settings: Settings, issuer: str, address: str, **console: Any) -> Settings:
    """Return settings whose console logs in with the provider."""
    openid = {
        "issuer": issuer, "address": address, "client_id": "cxrnode", "client_secret": "a secret",
        "name": "the hospital", "roles": {"doctors": "radiologist"},
    }  # fmt: skip
    return Settings(**settings.model_dump() | {"console": {"openid": openid, **console}})


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/.well-known/openid-configuration").status_code == 200
    except httpx.HTTPError:
        return False


def at_provider(address: str, user: str) -> str:
    """Log in and consent on the provider's forms; return the address that it sends the browser to."""
    with httpx.Client() as browser:
        answer = browser.get(address)
        for _ in range(12):
            if answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["Location"])
                if address.startswith(CONSOLE):
                    return address
                answer = browser.get(address)
                continue
            assert answer.status_code == 200, answer.text
            (form,) = re.findall(r'action="([^"]+)"', answer.text)
            prompt = re.findall(r'name="prompt" value="([^"]+)"', answer.text)
            fields = {"prompt": prompt[0], "login": user, "password": "any"}
            answer = browser.post(urljoin(str(answer.url), form), data=fields)
    pytest.fail("the provider did not send the browser back")


def test_people_log_in_with_a_provider_that_nobody_here_wrote(
    settings: Settings, database: Database, start: Start
) -> None:
    app = make_app(told(settings, start(CONSOLE), CONSOLE), database)
    with TestClient(app, base_url=CONSOLE, follow_redirects=False, headers=SAME_SITE) as browser:
        back = at_provider(browser.get("/login/openid?next=/models").headers["Location"], "jane")
        answer = browser.get(back)
        assert (answer.status_code, answer.headers.get("Refresh")) == (200, "0; url=/models"), answer.text
        page = browser.get("/password").text
        assert "jane</a> · radiologist" in page
        token = page.partition('name="csrf" value="')[2][:64]
        answer = browser.post("/logout", data={"csrf": token})
        asked = httpx.get(answer.headers["Refresh"].partition("url=")[2])
        assert asked.status_code == 200, "the provider knows client and address, and asks whether to log out"
        assert browser.get("/", follow_redirects=False).status_code == 303
        back = at_provider(browser.get("/login/openid").headers["Location"], "john")
        assert "gives no role" in browser.get(back).text
    assert [line["user"] for line in noted(database, AuditEventType.USER_LOGIN)] == ["jane"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_browser_comes_back_from_another_site_and_is_logged_in_and_out(
    settings: Settings, database: Database, start: Start, browser: Any, free_port: Callable[[], int]
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    issuer = start(address, host="localhost")  # another site, for cookies that are SameSite
    with serving(told(settings, issuer, address, port=port), database):
        page, complaints = new_page(browser)
        page.goto(f"{address}/models")
        assert axe.Axe().run(page).response["violations"] == []
        page.click("text=Log in with the hospital")
        page.fill("input[name=login]", "jane")
        page.fill("input[name=password]", "any")
        page.keyboard.press("Enter")
        page.wait_for_selector("button:text('Continue')")
        page.click("button:text('Continue')")
        page.wait_for_url(f"{address}/models")
        assert "jane" in page.inner_text("header")
        page.click("button:text('Log out')")
        page.wait_for_url(f"{issuer}/**")
        page.goto(address)
        assert page.url.startswith(f"{address}/login")
        assert [text for text in complaints if address in text] == []

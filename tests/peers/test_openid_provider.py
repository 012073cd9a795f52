"""A login with a certified OpenID provider that nobody here wrote: the npm package ``oidc-provider``.

``OIDC_PROVIDER`` names the folder ``node_modules`` that holds it; else it is where ``scripts/peers`` puts it.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from config.settings import Settings
from console.app import make_app
from tests.console.conftest import TestClient
from tests.console.visitors import SAME_SITE
from tests.logins import noted
from tracking.audit import AuditEventType
from tracking.database import Database

ROOT = Path(__file__).parents[2]
CONSOLE = "http://127.0.0.1:8480"
STARTUP_SECONDS = 30.0
SERVER = """
import Provider from '%(package)s';
const people = { jane: ['doctors'], john: ['visitors'] };
const provider = new Provider('%(issuer)s', {
  clients: [{
    client_id: 'cxrnode', client_secret: 'a secret', redirect_uris: ['%(console)s/login/openid/done'],
    post_logout_redirect_uris: ['%(console)s/login'], response_types: ['code'],
  }],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: people[id] }) }),
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  pkce: { required: () => true },
  cookies: { keys: ['a key'] },
});
provider.listen(%(port)d, '127.0.0.1');
"""

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


@pytest.fixture
def issuer(tmp_path: Path, program: Callable[[str], str], free_port: Callable[[], int]) -> Iterator[str]:
    """A running provider, whose development forms take any user name."""
    modules = Path(os.environ.get("OIDC_PROVIDER") or ROOT / ".venv" / "npm" / "node_modules")
    package = modules / "oidc-provider" / "lib" / "index.js"
    if not package.is_file():
        pytest.skip("the npm package oidc-provider is not installed")
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    script = tmp_path / "provider.mjs"
    values = {"package": package, "issuer": issuer, "console": CONSOLE, "port": port}
    script.write_text(SERVER % values, encoding="utf-8")
    with (tmp_path / "provider.log").open("wb") as log:
        server = subprocess.Popen([program("node"), script], stdout=log, stderr=subprocess.STDOUT)
        try:
            end = time.monotonic() + STARTUP_SECONDS
            while not _answers(issuer):
                if server.poll() is not None or time.monotonic() > end:
                    pytest.fail((tmp_path / "provider.log").read_text(errors="replace")[-2000:])
                time.sleep(0.05)
            yield issuer
        finally:
            server.kill()
            server.wait(STARTUP_SECONDS)


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
    settings: Settings, database: Database, issuer: str
) -> None:
    openid = {
        "issuer": issuer, "address": CONSOLE, "client_id": "cxrnode", "client_secret": "a secret",
        "roles": {"doctors": "radiologist"},
    }  # fmt: skip
    told = Settings(**settings.model_dump() | {"console": {"openid": openid}})
    with TestClient(make_app(told, database), base_url=CONSOLE, follow_redirects=False, headers=SAME_SITE) as browser:
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

"""Who is let in: the login, and whose name for this machine is believed."""

import base64
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from config.errors import SettingsError
from config.settings import ConsoleSettings, Settings
from console.access import Login, Verdict, decide, read_login
from console.server import Console
from tracking.database import Database

LOGIN = Login(b"admin", "geheim: ü".encode())


def basic(words: str) -> str:
    return f"Basic {base64.b64encode(words.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "verdict"),
    [
        (basic("admin:geheim: ü"), Verdict.LET_IN),
        (basic("admin:geheim: ü").replace("Basic", "bAsIc"), Verdict.LET_IN),
        ("", Verdict.ASK),
        ("Bearer abc", Verdict.ASK),
        ("Basic", Verdict.WRONG),
        ("Basic !!!", Verdict.WRONG),
        ("Basic ü", Verdict.WRONG),
        (basic("admin"), Verdict.WRONG),
        (basic("admin:"), Verdict.WRONG),
        (basic(":geheim: ü"), Verdict.WRONG),
        (basic("root:geheim: ü"), Verdict.WRONG),
        (basic("admin:geheim: ü "), Verdict.WRONG),
    ],
)
def test_only_the_right_login_is_let_in(authorization: str, verdict: Verdict) -> None:
    assert decide(LOGIN, authorization, "console.example.org") is verdict


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8480", "localhost:8480", "LOCALHOST", "[::1]:8480", "[::1]"])
def test_without_a_login_this_machine_is_served_under_its_own_names(host: str) -> None:
    assert decide(None, "", host) is Verdict.LET_IN


@pytest.mark.parametrize("host", ["", "evil.example:8480", "127.0.0.1.evil.example", "localhost.evil.example", "::1"])
def test_without_a_login_no_other_name_is_served(host: str) -> None:
    assert decide(None, "", host) is Verdict.WRONG_HOST


@pytest.mark.parametrize("page", ["/", "/study/1.9", "/audit", "/destinations", "/static/style.css", "/nothing"])
def test_every_page_asks_for_the_login(browse: Callable[..., TestClient], tmp_path: Path, page: str) -> None:
    (tmp_path / "password").write_text("word\n")
    browser = browse("http://node.example", password_file=tmp_path / "password")
    answer = browser.get(page)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"
    assert browser.get(page, auth=("admin", "wrong")).status_code == 401
    assert browser.get(page, auth=("admin", "word")).status_code in {200, 404}


def test_another_name_for_this_machine_is_refused_with_the_cure(browse: Callable[..., TestClient]) -> None:
    answer = browse("http://evil.example:8480").get("/")
    assert answer.status_code == 421
    assert "console.password_file" in answer.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "node.example"])
def test_beyond_this_machine_a_password_is_required(host: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"console\.password_file"):
        ConsoleSettings(host=host)
    assert ConsoleSettings(host=host, password_file=tmp_path / "password").host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_this_machine_none_is(host: str) -> None:
    assert ConsoleSettings(host=host).is_local


def test_an_empty_or_missing_password_file_is_an_error_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_login(ConsoleSettings(password_file=tmp_path / "nowhere"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):
        read_login(ConsoleSettings(password_file=tmp_path / "empty"))


def test_the_server_serves_between_start_and_stop(settings: Settings, database: Database) -> None:
    console = Console(Settings(**settings.model_dump() | {"console": {"port": 0}}), database)
    console.start()
    port = console.port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
        assert answer.status == 200
        assert "server" not in answer.headers
    with pytest.raises(SettingsError, match="choose another port"):
        Console(Settings(**settings.model_dump() | {"console": {"port": port}}), database).start()
    clock = time.monotonic()
    console.stop()
    assert time.monotonic() - clock < 5
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_no_log_holds_what_was_searched_for(
    settings: Settings, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    from config.logs import configure_logs

    configure_logs(settings.log, "console")
    console = Console(Settings(**settings.model_dump() | {"console": {"port": 0}}), database)
    console.start()
    for page in ("?q=DOE-4711", "study/DOE-4711", "nothing/DOE-4711", "?page=DOE-4711"):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{console.port}/{page}", timeout=10).close()
        except urllib.error.HTTPError as error:
            error.close()
    console.stop()
    logged = capfd.readouterr().err
    assert "console-ready" in logged
    assert "4711" not in logged

"""The pages over TLS, of their own and of a proxy before them, with real sockets."""

import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.console_settings import ConsoleSettings
from config.errors import SettingsError
from config.settings import Settings
from console import connections
from console.server import Console
from console.tls import make_context
from tests.authority import Authority
from tests.console.visitors import PASSWORD, begin_session
from tests.logins import noted
from tracking.audit_log.audit import AuditEventType
from tracking.engine.database import Database
from tracking.people.roles import Role


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates for 127.0.0.1 and their keys, one of which needs a passphrase."""
    folder = tmp_path_factory.mktemp("pem")
    for name, protection in (("node", ["-nodes"]), ("other", ["-nodes"]), ("locked", ["-passout", "pass:secret"])):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", *protection, "-days", "2", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.crt"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
    (folder / "none.pem").write_text("no certificate")
    return folder


@contextmanager
def serving(settings: Settings, database: Database, **options: object) -> Iterator[Console]:
    told = Settings(**settings.model_dump() | {"console": {"port": 0, **options}})
    console = Console(told, database)
    console.start()
    try:
        yield console
    finally:
        console.stop()


def ask(url: str, *, trusting: Path | None = None, form: bytes | None = None, **headers: str):  # type: ignore[no-untyped-def]
    """Return an answer without following where it leads."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    context = ssl.create_default_context(cafile=trusting) if trusting is not None else None
    opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=context))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        answer = opener.open(urllib.request.Request(url, data=form, headers=named), timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    answer.read()
    answer.close()
    return answer


def log_in(url: str, *, trusting: Path | None = None, **headers: str):  # type: ignore[no-untyped-def]
    form = f"user=dr.viewer&password={PASSWORD.replace(' ', '+')}".encode()
    return ask(f"{url}/login", trusting=trusting, form=form, **{"Sec_Fetch_Site": "same-origin", **headers})


def test_a_certificate_of_its_own(settings: Settings, database: Database, pem: Path) -> None:
    begin_session(database, Role.VIEWER)
    crt = pem / "node.crt"
    with serving(settings, database, tls_certificate=crt, tls_key=pem / "node.key") as console:
        url = f"https://127.0.0.1:{console.port}"
        answer = log_in(url, trusting=crt)
        assert answer.status == 303
        assert answer.headers["Set-Cookie"].startswith("__Host-cxrnode=")
        assert answer.headers["Set-Cookie"].endswith("; Secure")
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        assert ask(url, trusting=crt, Cookie=cookie).status == 200
        assert ask(url, trusting=crt, Cookie=cookie.removeprefix("__Host-")).status == 303
        with socket.create_connection(("127.0.0.1", console.port), timeout=20) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not plain.recv(100).startswith(b"HTTP")


def test_a_renewed_certificate_counts_without_a_stop(settings: Settings, database: Database, tmp_path: Path) -> None:
    old, new = (Authority(tmp_path / name) for name in ("old", "new"))
    pair, renewed = (authority.issue("console", "127.0.0.1") for authority in (old, new))
    with serving(settings, database, tls_certificate=pair.certificate, tls_key=pair.key) as console:
        url = f"https://127.0.0.1:{console.port}/health"
        assert ask(url, trusting=old.certificate).status == 200
        renewed.certificate.replace(pair.certificate)
        renewed.key.replace(pair.key)
        assert ask(url, trusting=new.certificate).status == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(url, trusting=old.certificate)


def test_who_begins_no_tls_is_not_waited_for(
    settings: Settings, database: Database, pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    with (
        serving(settings, database, tls_certificate=pem / "node.crt", tls_key=pem / "node.key") as console,
        socket.create_connection(("127.0.0.1", console.port), timeout=20) as silent,
    ):
        assert silent.recv(1) == b""


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        ("node.crt", "other.key", r"other\.key is not the key of .*node\.crt"),
        ("none.pem", "node.key", "PEM"),
        ("node.crt", "none.pem", "PEM"),
        ("locked.crt", "locked.key", "needs a passphrase"),
        ("nowhere.crt", "node.key", "cannot be read"),
    ],
)
def test_files_that_do_not_work_are_a_settings_error(pem: Path, certificate: str, key: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make_context(ConsoleSettings(tls_certificate=pem / certificate, tls_key=pem / key))


def test_without_files_there_is_no_tls() -> None:
    assert make_context(ConsoleSettings()) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "node.example"])
def test_beyond_this_machine_tls_is_required(host: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"console\.tls_certificate"):
        ConsoleSettings(host=host)
    assert ConsoleSettings(host=host, trusted_proxies=["192.0.2.30"]).is_encrypted
    assert ConsoleSettings(host=host, tls_certificate=tmp_path / "crt", tls_key=tmp_path / "key").is_encrypted


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_this_machine_none_is(host: str) -> None:
    assert not ConsoleSettings(host=host).is_encrypted


@pytest.mark.parametrize(
    ("proxies", "claimed", "believed"),
    [
        (["127.0.0.1"], "198.51.100.9", "198.51.100.9"),
        (["127.0.0.0/8"], "203.0.113.66, 198.51.100.9", "198.51.100.9"),
        (["127.0.0.1", "198.51.100.9"], "203.0.113.66, 198.51.100.9", "203.0.113.66"),
        (["192.0.2.30"], "198.51.100.9", "127.0.0.1"),
        ([], "198.51.100.9", "127.0.0.1"),
    ],
)
def test_an_address_is_believed_from_a_named_proxy_only(
    settings: Settings, database: Database, proxies: list[str], claimed: str, believed: str
) -> None:
    begin_session(database, Role.VIEWER)
    with serving(settings, database, trusted_proxies=proxies) as console:
        answer = log_in(f"http://127.0.0.1:{console.port}", X_Forwarded_For=claimed, X_Forwarded_Proto="https")
        assert answer.status == 303
        assert ("Secure" in answer.headers["Set-Cookie"]) is bool(proxies)
    assert noted(database, AuditEventType.USER_LOGIN)[0]["address"] == believed


def test_nobody_gets_a_new_count_of_failures_by_naming_another_address(settings: Settings, database: Database) -> None:
    with serving(settings, database) as console:
        statuses = [
            ask(f"http://127.0.0.1:{console.port}/login", form=f"user=name{number}&password=x".encode(),
                Sec_Fetch_Site="same-origin", X_Forwarded_For=f"198.51.100.{number}").status
            for number in range(11)
        ]  # fmt: skip
    assert statuses == [401] * 10 + [429]


def test_the_server_serves_between_start_and_stop(settings: Settings, database: Database) -> None:
    with serving(settings, database) as console:
        port = console.port
        answer = ask(f"http://127.0.0.1:{port}/health")
        assert answer.status == 200
        assert "server" not in answer.headers
        with pytest.raises(SettingsError, match="choose another port"), serving(settings, database, port=port):
            pass
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_no_log_holds_what_was_searched_for_or_typed(
    settings: Settings, database: Database, capfd: pytest.CaptureFixture[str], free_port: Callable[[], int]
) -> None:
    from config.logs import configure_logs

    configure_logs(settings.log, "console")
    with serving(settings, database) as console:
        url = f"http://127.0.0.1:{console.port}"
        for page in ("?q=DOE-4711", "study/DOE-4711", "nothing/DOE-4711", "?page=DOE-4711", "login?next=DOE-4711"):
            ask(f"{url}/{page}")
            ask(f"{url}/{page}", Cookie=f"cxrnode={begin_session(database, Role.VIEWER)}")
        ask(f"{url}/login", form=b"user=DOE-4711&password=DOE-4711", Sec_Fetch_Site="same-origin")
    logged = capfd.readouterr().err
    assert "console-ready" in logged
    assert "4711" not in logged

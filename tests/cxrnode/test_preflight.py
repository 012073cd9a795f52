"""Settings that cannot run are refused before anything starts, with the key and the cure."""

import os
import socket
from functools import cache
from pathlib import Path

import pytest

from config.errors import SettingsError
from config.settings import Settings
from cxrnode.preflight import require_runnable
from inference import package
from tests.cxrnode.stores import Run, command_line


@pytest.fixture(autouse=True)
def _packages_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the files of a package once in this module: their digests take half a second."""
    monkeypatch.setattr(package, "load_package", _load_package)
    monkeypatch.setattr(package, "load_verdict", _load_verdict)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return command_line(tmp_path, monkeypatch, capsys)


_load_package, _load_verdict = cache(package.load_package), cache(package.load_verdict)


def hl7(host: str, port: int) -> str:
    return f'[[destinations]]\nkind = "hl7"\nname = "ris"\nhost = "{host}"\nport = {port}\n'


CONSOLE = "[console]\nenabled = true\n"
TLS = '[node.tls]\ncertificate = "node.crt"\nkey = "node.key"\nrequire_client_certificate = false\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[inference]\npackage = "nothing"', ["inference.package", "nothing"]),
        ('[inference]\npackage = "verdict"', ["inference.package", "name it as inference.verdict_package"]),
        ('[inference]\nverdict_package = "chest-default"', ["inference.verdict_package", "gives no verdict"]),
        ('[inference]\nanatomy_package = "verdict"', ["inference.anatomy_package", "outlines no anatomy"]),
        (
            "[inference.operating_points.broken_leg]\nsensitive = 0.1\nspecific = 0.2",
            ["broken_leg", "lung_opacity"],
        ),
        ('[node]\ndata_dir = "cxrnode.toml"', ["node.data_dir", "cxrnode.toml is no folder"]),
        ('[node]\ndata_dir = "cxrnode.toml/below"', ["node.data_dir", "cxrnode.toml is no folder"]),
        ('[database]\nurl = "mysql://me:hidden@db/x"', ["database.url", "mysql", "use postgresql"]),
        ('[database]\nurl = "sqlite://"', ["database.url", "in memory"]),
        ('[database]\nurl = "sqlite:///."', ["database.url", "is a folder"]),
        (CONSOLE + "port = 11112", ["console.port: 11112 is receive.port, too"]),
        (CONSOLE + 'host = "localhost"\nport = 11112', ["console.port: 11112"]),
        (hl7("127.0.0.1", 11112), ["'ris'", "this node itself", "receive.port"]),
        (hl7("localhost", 11112), ["this node itself"]),
        (hl7("::1", 11112), ["this node itself"]),
        ('[receive]\nhost = "0.0.0.0"\n' + hl7(socket.gethostname(), 11112), ["this node itself"]),
        (CONSOLE + hl7("127.0.0.1", 8480), ["this node itself", "console.port"]),
        (TLS, ["node.tls.certificate, node.tls.key: node.crt or node.key cannot be read"]),
        (TLS + "port = 11112", ["node.tls.port: 11112 is receive.port, too"]),
        (TLS + "port = 2762\n" + hl7("127.0.0.1", 2762), ["this node itself (node.tls.port)"]),
        (TLS + "port = 8480\n" + CONSOLE, ["console.port: 8480 is node.tls.port, too"]),
        (hl7("ris", 1) + 'tls = true\ntls_ca = "ca.pem"', ["'ris'", "tls_ca: ca.pem cannot be read"]),
    ],
)
@pytest.mark.fault(
    "settings are well formed and cannot run",
    promise="refused before anything starts, with the cure",
    area="content",
)
def test_what_cannot_run_is_refused_with_the_cure(run: Run, tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "cxrnode.toml").write_text(text)
    result = run("config", "check")
    assert result.returncode == 3
    for word in words:
        assert word in result.stderr
    assert "hidden" not in result.stderr
    assert not (tmp_path / "cxrnode-data").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        CONSOLE,
        CONSOLE + "port = 0\n[receive]\nport = 0",
        "[console]\nport = 11112",
        hl7("pacs.example", 11112),
        '[receive]\nhost = "127.0.0.1"\n' + hl7("192.0.2.7", 11112),
        "[inference.operating_points.lung_opacity]\nsensitive = 0.1\nspecific = 0.7",
    ],
)
def test_what_can_run_is_good(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "cxrnode.toml").write_text(text)
    assert run("config", "check").returncode == 0


def test_every_mistake_is_named_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cxrnode.toml").write_text('[inference]\npackage = "nothing"\n' + hl7("127.0.0.1", 11112))
    found = run("config", "check").stderr
    assert "inference.package" in found
    assert "this node itself" in found


def test_serve_exits_with_the_error_and_starts_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cxrnode.toml").write_text('[inference]\npackage = "nothing"\n')
    result = run("serve")
    assert (result.returncode, "inference.package" in result.stderr) == (3, True)
    assert not (tmp_path / "cxrnode-data").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SettingsError, match=r"node\.data_dir.*cannot be written"):
        require_runnable(Settings(node={"data_dir": tmp_path / "data"}))

"""TLS contexts of the files that the settings name, and when certificates expire."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.certificates import (
    ClientTls,
    RenewingContext,
    ServerTls,
    client_context,
    client_tls,
    expiries,
    server_context,
    server_tls,
)
from config.destinations import DicomDestination
from config.errors import SettingsError
from config.settings import Settings
from tests.authority import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("node", "127.0.0.1")


def test_contexts_speak_tls_1_2_at_least_and_only_suites_of_bcp_195(authority: Authority, pair: Pair) -> None:
    contexts = (
        server_context(ServerTls(pair.certificate, pair.key)),
        client_context(ClientTls("node", authority.certificate)),
    )
    for context in contexts:
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        old = [entry["name"] for entry in context.get_ciphers() if entry["protocol"] != "TLSv1.3"]
        assert old
        assert all(name.startswith("ECDHE") and ("GCM" in name or "CHACHA20" in name) for name in old)
    assert contexts[1].verify_mode == ssl.CERT_REQUIRED
    assert contexts[1].check_hostname


@pytest.mark.parametrize(
    ("client_ca", "required", "mode"),
    [(False, False, ssl.CERT_NONE), (True, False, ssl.CERT_OPTIONAL), (True, True, ssl.CERT_REQUIRED)],
)
def test_certificates_of_senders_are_asked_for_as_the_settings_say(
    authority: Authority, pair: Pair, client_ca: bool, required: bool, mode: ssl.VerifyMode
) -> None:
    tls = ServerTls(pair.certificate, pair.key, authority.certificate if client_ca else None, required)
    assert server_context(tls).verify_mode == mode


def test_files_that_do_not_work_are_named(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    other = authority.issue("other")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("no certificate")
    with pytest.raises(SettingsError, match=r"node\.tls\.certificate, node\.tls\.key: .*other\.key is not the key of"):
        server_context(ServerTls(pair.certificate, other.key))
    with pytest.raises(SettingsError, match=r"node\.tls\.client_ca: .*nothing\.pem holds no certificate"):
        server_context(ServerTls(pair.certificate, pair.key, nothing))
    with pytest.raises(SettingsError, match=r"tls_ca: .*gone\.pem cannot be read"):
        client_context(ClientTls("node", tmp_path / "gone.pem"))


@pytest.mark.fault(
    "only half of a new pair is there",
    promise="the last pair that fitted is shown",
    area="tls",
)
def test_a_context_follows_its_files_and_survives_half_a_renewal(authority: Authority) -> None:
    pair = authority.issue("renewed")
    tls = ServerTls(pair.certificate, pair.key)
    contexts = RenewingContext(tls.files, lambda: server_context(tls))
    first = contexts.current()
    assert contexts.current() is first
    new = authority.issue("renewed", file="replacement")
    new.certificate.replace(pair.certificate)
    assert contexts.current() is first
    new.key.replace(pair.key)
    assert contexts.current() is not first
    pair.key.unlink()
    assert contexts.current() is contexts.current()


def test_expiry_is_told_of_every_certificate_that_is_shown(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    unreadable = tmp_path / "unreadable.crt"
    unreadable.write_text("no certificate")
    destination = {"host": "pacs", "port": 2762, "ae_title": "PACS", "kind": "dicom"}
    settings = Settings(
        node={"tls": pair.options() | {"require_client_certificate": False}},
        console={"tls_certificate": unreadable, "tls_key": unreadable},
        destinations=[
            destination | {"name": "pacs", "tls": True} | pair.options("tls_"),
            destination | {"name": "silent", "tls": True},
            destination | {"name": "plain"},
        ],
    )
    found = list(expiries(settings))
    assert [entry.use for entry in found] == ["receive", "console", "destination pacs"]
    soon = datetime.now(UTC) + timedelta(days=1)
    assert found[0].days_left() == pytest.approx(2, abs=0.1)
    assert found[0].days_left(soon) == pytest.approx(1, abs=0.1)
    assert found[1].days_left() is None


def test_a_destination_is_called_by_its_host_unless_the_settings_name_it() -> None:
    destination = DicomDestination(kind="dicom", name="pacs", host="pacs.example", port=104, ae_title="PACS")
    assert client_tls(destination) is None
    over_tls = destination.model_copy(update={"tls": True})
    assert client_tls(over_tls) == ClientTls("pacs.example")
    named = over_tls.model_copy(update={"tls_server_name": "archive.example", "tls_ca": Path("/ca.pem")})
    assert client_tls(named) == ClientTls("archive.example", Path("/ca.pem"))


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ({"certificate": "/a"}, "certificate and key together"),
        ({"port": 2762}, "needs certificate and key"),
        ({"certificate": "/a", "key": "/b"}, "give client_ca"),
    ],
)
def test_half_a_setting_is_refused(tls: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(node={"tls": tls})


def test_a_receiver_without_certificate_has_no_tls() -> None:
    assert server_tls(Settings()) is None


def test_names_of_certificates_need_somebody_who_proves_them() -> None:
    peer = {"name": "pacs", "ae_title": "PACS", "certificate_names": ["pacs"]}
    with pytest.raises(ValueError, match="certificate_names, which nothing proves"):
        Settings(peers=[peer])


def test_tls_settings_of_a_destination_that_speaks_none_are_refused() -> None:
    with pytest.raises(ValueError, match="set tls = true"):
        DicomDestination(kind="dicom", name="p", host="p", port=1, ae_title="P", tls_server_name="x")

"""Settings: precedence, strictness, and messages that name the file, the key and the cure."""

import tomllib
from functools import reduce
from pathlib import Path

import pytest
from pydantic import BaseModel

from config.console_settings import OpenIdSettings
from config.destinations import DicomDestination, FhirDestination, Hl7Destination
from config.errors import SettingsError
from config.files import REFERENCE_FILE
from config.load import load_settings
from config.settings import PeerSettings, Settings


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXRNODE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings.node.ae_title == "CXRNODE"
    assert settings.database_url() == "sqlite:///cxrnode-data/cxrnode.db"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXRNODE_RECEIVE__PORT", "104")
    settings = load_settings(write(tmp_path, '[receive]\nport = 4242\nhost = "0.0.0.0"\n'))
    assert (settings.receive.port, settings.receive.host) == (104, "0.0.0.0")


def test_lists_can_come_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRNODE_DESTINATIONS", '[{"kind": "hl7", "name": "ris", "host": "127.0.0.1", "port": 2575}]')
    assert load_settings().destination("ris") == Hl7Destination(kind="hl7", name="ris", host="127.0.0.1", port=2575)


OPENID = """
[console.openid]
issuer = "https://login.example"
address = "https://node.example"
client_id = "cxrnode"
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[receive]\nacept = ["CR"]', ["receive.acept", "did you mean 'accept'"]),
        ("[recieve]\nport = 1", ["recieve", "did you mean 'receive'"]),
        ("[receive]\nport = 99999", ["receive.port", "less than or equal to 65535"]),
        ('[node]\nae_title = "MUCH TOO LONG A TITLE"', ["node.ae_title", "1 to 16"]),
        ("[receive]\nknown_peers_only = true", ["known_peers_only", "[[peers]]"]),
        ('[[peers]]\nname = "a"\nae_title = "A"\naddresses = ["nonsense"]', ["peers[1].addresses", "nonsense"]),
        (
            "".join(f'[[destinations]]\nkind = "hl7"\nname = "x"\nhost = "h"\nport = {n}\n' for n in (1, 2)),
            ["'x' is used twice"],
        ),
        ("[inference.operating_points.a]\nsensitive = 0.9\nspecific = 0.1", ["operating_points", "not be above"]),
        ('[console]\nhost = "0.0.0.0"', ["console", "0.0.0.0", "console.tls_certificate", "console.trusted_proxies"]),
        ('[console]\npassword_file = "/x"', ["console.password_file is gone", "cxrnode user add"]),
        ('[console]\nuser = "admin"', ["console.user is gone", "cxrnode user add"]),
        ('[console]\ntls_key = "/nowhere/key"', ["tls_certificate and tls_key together"]),
        (
            '[console]\ntls_certificate = "/nowhere/crt"\ntls_key = "/nowhere/key"',
            ["console.tls_certificate", "/nowhere/crt is not there", "PEM"],
        ),
        (OPENID + 'client_secret = "x"', ["console.openid.client_secret", "client_secret_file", "CLIENT_SECRET"]),
        (
            OPENID + 'default_role = "viewer"\nclient_secret_file = "/nowhere/x"',
            ["console.openid.client_secret_file", "/nowhere/x is not there"],
        ),
        (OPENID, ["console.openid", "nobody would get a role"]),
        (OPENID + 'default_role = "owner"', ["console.openid.default_role", "administrator"]),
        (OPENID + 'default_role = "viewer"\nscopes = ["email"]', ["console.openid", '"openid"']),
        (OPENID.replace("https://login", "http://login"), ["console.openid.issuer", "http for this machine only"]),
        ('[console]\nlocal_login = "administrators"', ["local_login", "[console.openid]"]),
        ('[console]\ntrusted_proxies = ["proxy"]', ["console.trusted_proxies", "proxy"]),
        ("[console]\nsession_idle_minutes = 0", ["console.session_idle_minutes", "greater than or equal to 1"]),
        ("[receive]\nidle_seconds = inf", ["receive.idle_seconds", "finite"]),
        (
            '[[destinations]]\nkind = "hl7"\nname = "x"\nhost = "h"\nport = 1\nresponse_seconds = 0',
            ["destinations[1].response_seconds", "greater than 0"],
        ),
        (
            '[[destinations]]\nkind = "dicom"\nname = "x"\nhost = "h"\nport = 0\nae_title = "X"',
            ["destinations[1].port", "greater than or equal to 1"],
        ),
        ('[receive]\nhost = ""', ["receive.host", "0.0.0.0"]),
        (
            '[[destinations]]\nkind = "hl7"\nname = "x"\nhost = "ris..example"\nport = 1',
            ["destinations[1].host", "a host is"],
        ),
        ('[destinations]\nkind = "hl7"', ["[destinations]", "write [[destinations]], in double brackets"]),
        ('[peers]\nname = "pacs"', ["[peers]", "write [[peers]], in double brackets"]),
        ("[receive\n", ["not valid TOML", "cxrnode init --print"]),
    ],
)
def test_a_mistake_names_file_key_and_cure(tmp_path: Path, text: str, words: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_a_mistake_in_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRNODE_RECEIVE__PORT", "many")
    with pytest.raises(SettingsError, match="CXRNODE_RECEIVE__PORT"):
        load_settings()


@pytest.mark.parametrize("variable", ["CXRNODE_RECIEVE__PORT", "cxrnode_recieve__port"])
def test_an_unknown_table_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "104")
    with pytest.raises(SettingsError, match="did you mean 'receive'"):
        load_settings()


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cxrnode init"):
        load_settings(tmp_path / "nowhere.toml")


@pytest.mark.fault(
    "a setting that holds a secret is wrong",
    promise="the error names the key and never repeats the value",
    area="secret",
)
def test_a_secret_is_read_from_its_file_and_never_repeated(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://me:hidden@db/cxr\n")
    settings = load_settings(write(tmp_path, f'[database]\nurl_file = "{secret}"'))
    assert settings.database_url() == "postgresql://me:hidden@db/cxr"
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, f'[database]\nurl = "postgresql://me:hidden@db/cxr"\nurl_file = "{secret}"'))
    assert "hidden" not in str(caught.value)


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="url_file"):
        load_settings(write(tmp_path, '[database]\nurl_file = "/nowhere/secret"'))


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_bytes(b"\xff\xfe")
    settings = load_settings(write(tmp_path, f'[database]\nurl_file = "{secret}"'))
    with pytest.raises(SettingsError, match=rf"database\.url_file: {secret} cannot be read: not UTF-8"):
        settings.database_url()


def test_a_url_in_the_file_is_masked_when_shown() -> None:
    assert "hidden" not in repr(Settings(database={"url": "postgresql://me:hidden@db/cxr"}))


def options(model: type[BaseModel], table: str) -> dict[str, object]:
    """Every plain option below a table, with its default."""
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            found |= options(type(default), f"{table}.{name}".lstrip("."))
        else:
            found[f"{table}.{name}".lstrip(".")] = default
    return found


def test_the_openid_secret_is_in_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("of the file\n")
    text = OPENID + 'default_role = "viewer"\n'
    told = load_settings(write(tmp_path, text + f'client_secret_file = "{tmp_path / "secret"}"')).console.openid
    assert told is not None
    assert told.secret() == "of the file"
    monkeypatch.setenv("CXRNODE_CONSOLE__OPENID__CLIENT_SECRET", "of the environment")
    told = load_settings(write(tmp_path, text)).console.openid
    assert told is not None
    assert told.secret() == "of the environment"
    assert "of the environment" not in repr(told)


def uncommented() -> str:
    """The reference file as it reads when every commented option is set."""
    lines = REFERENCE_FILE.read_text(encoding="utf-8").splitlines()
    return "\n".join(line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines)


def test_the_reference_file_is_good_as_it_ships(tmp_path: Path) -> None:
    assert load_settings(REFERENCE_FILE) == Settings()


def test_the_reference_file_documents_every_option_with_its_default() -> None:
    document = tomllib.loads(uncommented())
    expected = options(Settings, "")
    repeated = {"peers", "destinations", "inference.operating_points"}
    exempt = {
        "database.url_file", "console.tls_certificate", "console.tls_key", "console.trusted_proxies",
        "inference.verdict_threshold", "audit.anchor_file", "console.openid",
        "retention.study_days", "retention.not_analysed_days", "canary.every_minutes",
            "node.tls.certificate", "node.tls.key", "node.tls.client_ca", "node.tls.port",
    }  # fmt: skip
    for key in expected.keys() - repeated - exempt:
        *tables, name = key.split(".")
        table = reduce(dict.__getitem__, tables, document)
        assert name in table, key
        default = expected[key]
        plain = getattr(default, "get_secret_value", lambda value=default: value)()
        written = table[name]
        assert (str(plain) if isinstance(plain, Path) else plain) == (
            tuple(written) if isinstance(written, list) else written
        ), key
    assert set(document["console"]["openid"]) == set(OpenIdSettings.model_fields) - {"client_secret"}
    assert set(document["peers"][0]) == set(PeerSettings.model_fields)
    by_kind = {entry["kind"]: set(entry) for entry in document["destinations"]}
    assert by_kind == {
        "dicom": set(DicomDestination.model_fields), "hl7": set(Hl7Destination.model_fields),
        "fhir": set(FhirDestination.model_fields),
    }  # fmt: skip


def test_the_reference_file_has_no_option_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("sqlite:///x.db")
    for name in ("console.crt", "console.key", "openid.secret", "hospital-ca.crt", "fhir-ca.pem", "fhir-secret"):
        (tmp_path / name).touch()
    text = uncommented().replace("/run/secrets/cxrnode-database-url", str(tmp_path / "secret"))
    text = text.replace("/etc/cxrnode", str(tmp_path)).replace("token_file =", "#")  # one way to log in excludes others
    settings = load_settings(write(tmp_path, text))
    assert [destination.kind for destination in settings.destinations] == ["dicom", "hl7", "fhir"]


def test_a_destination_s_secret_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    text = '[[destinations]]\nkind = "fhir"\nname = "ehr"\nurl = "https://fhir.example"\ntoken_file = "/nowhere/token"'
    with pytest.raises(SettingsError, match=r"destinations\[1\]\.token_file: .*write the bearer token"):
        load_settings(write(tmp_path, text))


def test_a_former_name_that_is_in_use_is_refused(tmp_path: Path) -> None:
    pacs = {"kind": "dicom", "name": "pacs", "formerly": ["ris"], "host": "h", "port": 104, "ae_title": "A"}
    ris = {"kind": "hl7", "name": "ris", "host": "h", "port": 2575}
    with pytest.raises(ValueError, match="formerly: the name 'ris'"):
        Settings(node={"data_dir": tmp_path}, destinations=[pacs, ris])

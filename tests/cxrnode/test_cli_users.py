"""``cxrnode user`` and ``cxrnode token``: passwords come from a prompt or standard input, secrets are shown once."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import Settings
from cxrnode import cli_users
from cxrnode.cli import main
from tracking.engine.database import Database
from tracking.people import api_tokens, logins
from tracking.people.logins import LoggedIn, LoginRefused
from tracking.people.roles import Role
from tracking.people.user_sessions import Limits

RIGHT = "a long enough secret"
Run = Callable[..., tuple[int, str, str]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs ``cxrnode`` with text on standard input: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "cxrnode.toml").write_text('[node]\ndata_dir = "data"\n')

    def command(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cxrnode", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return command


def log_in(folder: Path, name: str, password: str) -> LoggedIn | LoginRefused:
    database = Database.open(Settings(node={"data_dir": folder / "data"}).database_url())
    try:
        return logins.log_in(database, name, password, address="127.0.0.1", limits=Limits(60, 60))
    finally:
        database.close()


def test_a_user_is_added_changed_and_kept_out(run: Run, tmp_path: Path) -> None:
    assert run("user", "add", "Jane", "--role", "radiologist", typed=f"{RIGHT}\n")[:2] == (
        0, "user jane added as radiologist\n",
    )  # fmt: skip
    result = log_in(tmp_path, "jane", RIGHT)
    assert isinstance(result, LoggedIn)
    assert result.identity.role is Role.RADIOLOGIST
    assert run("user", "role", "jane", "administrator")[0] == 0
    assert run("user", "disable", "jane")[0] == 0
    assert isinstance(log_in(tmp_path, "jane", RIGHT), LoginRefused)
    (user,) = json.loads(run("user", "list", "--json")[1])
    assert (user["name"], user["role"], user["disabled"]) == ("jane", "administrator", True)
    assert "disabled" in run("user", "list")[1]
    assert run("user", "enable", "jane")[0] == 0
    assert run("user", "passwd", "jane", typed="another long secret\n")[0] == 0
    assert isinstance(log_in(tmp_path, "jane", RIGHT), LoginRefused)
    assert isinstance(log_in(tmp_path, "jane", "another long secret"), LoggedIn)


def test_a_user_is_joined_with_a_person_of_the_provider(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "cxrnode.toml").open("a") as settings:
        settings.write('[console.openid]\nissuer = "https://login.example"\naddress = "https://node.example"\n')
        settings.write('client_id = "cxrnode"\ndefault_role = "viewer"\n')
    run("user", "add", "jane", typed=f"{RIGHT}\n")
    run("user", "add", "mary", typed=f"{RIGHT}\n")
    assert run("user", "openid", "Jane", "4711")[:2] == (
        0, "user jane logs in with https://login.example; password and sessions of this user have ended\n",
    )  # fmt: skip
    assert isinstance(log_in(tmp_path, "jane", RIGHT), LoginRefused)
    assert "logs in with https://login.example" in run("user", "list")[1]
    assert "is the user jane already" in run("user", "openid", "mary", "4711")[2]
    assert "has no password here" in run("user", "passwd", "jane", typed="another long secret\n")[2]


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [
        (("user", "add", "jane"), "short\n", "shorter than 12"),
        (("user", "add", "jane"), "", "shorter than 12"),
        (("user", "add", "ja ne"), f"{RIGHT}\n", "1 to 64 letters"),
        (("user", "passwd", "nobody"), f"{RIGHT}\n", "cxrnode user list"),
        (("user", "disable", "nobody"), "", "cxrnode user list"),
        (("token", "add", "--user", "nobody", "--scope", "read"), "", "cxrnode user list"),
        (("token", "revoke", "7"), "", "cxrnode token list"),
        (("user", "openid", "jane", "4711"), "", "[console.openid]"),
    ],
)
def test_what_cannot_be_done_says_why(run: Run, arguments: tuple[str, ...], typed: str, words: str) -> None:
    code, _, said = run(*arguments, typed=typed)
    assert code == 1
    assert words in said
    assert RIGHT not in said


def test_a_password_is_no_argument(run: Run) -> None:
    assert run("user", "add", "jane", RIGHT)[0] == 2
    assert run("user", "add", "jane", "--password", RIGHT)[0] == 2


def test_a_password_is_asked_for_twice(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter([RIGHT, "something else", RIGHT, RIGHT])
    monkeypatch.setattr(cli_users.getpass, "getpass", lambda _: next(typed))
    monkeypatch.setattr(cli_users.sys, "stdin", Terminal())
    with pytest.raises(Exception, match="differ"):
        cli_users._password("jane", one_time=False)
    assert cli_users._password("jane", one_time=False) == RIGHT


def test_a_one_time_password_is_printed_and_must_be_changed(run: Run, tmp_path: Path) -> None:
    _, said, _ = run("user", "add", "jane", "--one-time")
    result = log_in(tmp_path, "jane", said.split()[-1])
    assert isinstance(result, LoggedIn)
    assert result.identity.must_change
    assert "has to change the password" in run("user", "list")[1]


def test_a_token_is_shown_once(run: Run, tmp_path: Path) -> None:
    run("user", "add", "viewer-program", typed=f"{RIGHT}\n")
    arguments = ("--user", "viewer-program", "--scope", "read", "--scope", "dicomweb", "--days", "30")
    code, said, _ = run("token", "add", *arguments, "--purpose", "OHIF")
    assert code == 0
    database = Database.open(Settings(node={"data_dir": tmp_path / "data"}).database_url())
    with database.reading() as read:
        assert api_tokens.find(read, said.strip()) is not None
    database.close()
    (token,) = json.loads(run("token", "list", "--json")[1])
    assert (token["user"], token["scopes"], token["purpose"]) == ("viewer-program", ["dicomweb", "read"], "OHIF")
    assert said.strip() not in run("token", "list")[1]
    assert run("token", "revoke", str(token["id"]))[0] == 0
    assert json.loads(run("token", "list", "--json")[1])[0]["revoked_at"] is not None

"""Commands about who may use the console: its users, and the tokens of programs. Passwords are never arguments."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from config.errors import ActionRefused
from cxrnode.command import Context, Json, operator, out
from tracking.people.roles import Role, Scope

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tracking.people.users import Actor, UserSummary

user_app = typer.Typer(help="Who may use the console.", no_args_is_help=True)
token_app = typer.Typer(help="API tokens: programs that act for a user.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="User name: letters, digits and . _ - @, in any case.")]
OneTime = Annotated[
    bool, typer.Option("--one-time", help="Print a random password that must be changed at the next login.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(user_app, name="user", rich_help_panel="Administration")
    app.add_typer(token_app, name="token", rich_help_panel="Administration")


@user_app.command("add")
def user_add(
    ctx: typer.Context,
    name: Name,
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.VIEWER,
    one_time: OneTime = False,
) -> None:
    """Add a user; the password is asked for, or read from the first line of standard input."""
    from tracking.people import passwords, users

    kept = users.check_name(name)
    password = _password(kept, one_time)
    hashed = passwords.hash_password(password)
    with _changing(ctx) as (tx, actor):
        users.add(tx, kept, role, hashed, by=actor, must_change=one_time)
    _say(f"user {kept} added as {role.value}")
    _show_one_time(password, one_time)


@user_app.command("passwd")
def user_passwd(ctx: typer.Context, name: Name, one_time: OneTime = False) -> None:
    """Give a user a new password, from a prompt or standard input; ends the user's sessions and waiting time."""
    from tracking.people import passwords, users

    context: Context = ctx.obj
    with context.database().reading() as read:
        kept = users.named(read, name).name
    password = _password(kept, one_time)
    hashed = passwords.hash_password(password)
    with _changing(ctx) as (tx, actor):
        users.set_password(tx, kept, hashed, by=actor, must_change=one_time)
    _say(f"password of {kept} changed; sessions of this user have ended")
    _show_one_time(password, one_time)


@user_app.command("disable")
def user_disable(ctx: typer.Context, name: Name) -> None:
    """Keep a user out; sessions end and tokens stop working at once."""
    from tracking.people import users

    with _changing(ctx) as (tx, actor):
        users.disable(tx, name, by=actor)
    _say(f"user {users.folded(name)} disabled")


@user_app.command("enable")
def user_enable(ctx: typer.Context, name: Name) -> None:
    """Let a disabled user in again; also ends the wait after failed logins."""
    from tracking.people import users

    with _changing(ctx) as (tx, actor):
        users.enable(tx, name, by=actor)
    _say(f"user {users.folded(name)} may log in")


@user_app.command("role")
def user_role(ctx: typer.Context, name: Name, role: Annotated[Role, typer.Argument()]) -> None:
    """Change what a user may do, from the next request on."""
    from tracking.people import users

    with _changing(ctx) as (tx, actor):
        users.set_role(tx, name, role, by=actor)
    _say(f"user {users.folded(name)} is {role.value}")


@user_app.command("openid")
def user_openid(
    ctx: typer.Context,
    name: Name,
    subject: Annotated[str, typer.Argument(help="The claim `sub` that the provider has for this person.")],
) -> None:
    """Have a user log in with the OpenID provider of the settings, and with a password no more."""
    from tracking.people import users

    context: Context = ctx.obj
    openid = context.settings().console.openid
    if openid is None:
        msg = "the settings name no OpenID provider; write [console.openid] first (`cxrnode init --print` shows it)"
        raise ActionRefused(msg)
    with _changing(ctx) as (tx, actor):
        users.link(tx, name, openid.issuer, subject, by=actor)
    _say(f"user {users.folded(name)} logs in with {openid.issuer}; password and sessions of this user have ended")


@user_app.command("list")
def user_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List all users."""
    from cxrnode import show
    from tracking.people import users

    context: Context = ctx.obj
    with context.database().reading() as read:
        found = users.every(read)
    if as_json:
        show.as_json(found)
        return
    table = Table("user", "role", "state", "last login", header_style="bold")
    for user in found:
        table.add_row(user.name, user.role.value, _state(user), show.moment(user.last_login_at))
    out.print(table)
    if not found:
        _say("no user yet: cxrnode user add NAME --role administrator")


@token_app.command("add")
def token_add(
    ctx: typer.Context,
    user: Annotated[str, typer.Option(help="Whom the program acts for; it may do what this user may.")],
    scope: Annotated[list[Scope], typer.Option(help="What the token is good for; give it again for more.")],
    purpose: Annotated[str, typer.Option(help="Which program has it; for your own list.")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="It expires after so many days.")] = None,
) -> None:
    """Make a token and print it, once: only its digest is kept."""
    from tracking.people import api_tokens

    with _changing(ctx) as (tx, actor):
        token = api_tokens.add(tx, user, set(scope), by=actor, purpose=purpose, days=days)
    _say(token)


@token_app.command("list")
def token_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List all tokens, without the secrets."""
    from cxrnode import show
    from tracking.people import api_tokens

    context: Context = ctx.obj
    with context.database().reading() as read:
        found = api_tokens.every(read)
    if as_json:
        show.as_json(found)
        return
    table = Table("number", "user", "scopes", "purpose", "made", "expires", "revoked", header_style="bold")
    for token in found:
        moments = (show.moment(at) for at in (token.created_at, token.expires_at, token.revoked_at))
        table.add_row(str(token.id), token.user, " ".join(token.scopes), token.purpose, *moments)
    out.print(table)


@token_app.command("revoke")
def token_revoke(
    ctx: typer.Context, number: Annotated[int, typer.Argument(help="As `cxrnode token list` numbers it.")]
) -> None:
    """End a token."""
    from tracking.people import api_tokens

    with _changing(ctx) as (tx, actor):
        api_tokens.revoke(tx, number, by=actor)
    _say(f"token {number} revoked")


@contextmanager
def _changing(ctx: typer.Context) -> "Iterator[tuple[Session, Actor]]":
    from tracking.people.users import Actor

    context: Context = ctx.obj
    with context.database().transaction() as tx:
        yield tx, Actor(operator())


def _password(name: str, one_time: bool) -> str:
    """Return a new password: random, or as it is typed or piped in."""
    from tracking.people import passwords

    if one_time:
        return passwords.one_time_password()
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        passwords.check(password, name)
        return password
    password = getpass.getpass(f"New password of {name} (at least {passwords.SHORTEST} characters): ")
    passwords.check(password, name)
    if getpass.getpass("Once more: ") != password:
        msg = "the two passwords differ; nothing was changed"
        raise ActionRefused(msg)
    return password


def _show_one_time(password: str, one_time: bool) -> None:
    if one_time:
        _say(f"one-time password, to be changed at the first login: {password}")


def _state(user: "UserSummary") -> str:
    if user.disabled:
        return "disabled"
    if user.waits_seconds:
        return f"waits {user.waits_seconds} s after failed logins"
    if user.issuer is not None:
        return f"logs in with {user.issuer}"
    return "has to change the password" if user.must_change else "may log in"


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)

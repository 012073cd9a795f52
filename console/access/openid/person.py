"""Whom the claims of an OpenID provider make of somebody: a user name and a role of this console."""

from collections.abc import Mapping
from typing import Any

from config.console_settings import OpenIdSettings
from tracking.people import users
from tracking.people.logins import Person
from tracking.people.roles import Role

Claims = Mapping[str, Any]


def person_of(claims: Claims, settings: OpenIdSettings) -> Person:
    """Return who somebody is by checked claims, ``sub`` among them."""
    return Person(
        issuer=settings.issuer,
        subject=str(claims["sub"]),
        name=_name(claims, settings),
        role=_role(claims, settings),
        keeps_role=not settings.roles,
    )


def is_complete(claims: Claims, settings: OpenIdSettings) -> bool:
    """Say whether the claims have what a person needs, so that the provider need not be asked for more."""
    has_name = any(isinstance(claims.get(name), str) for name in settings.name_claims[:1])
    return has_name and (not settings.roles or _claim(claims, settings.role_claim) is not None)


def _name(claims: Claims, settings: OpenIdSettings) -> str | None:
    texts = (claims.get(name) for name in settings.name_claims)
    names = (users.folded(text) for text in texts if isinstance(text, str))
    return next((name for name in names if users.is_name(name)), None)


def _role(claims: Claims, settings: OpenIdSettings) -> Role | None:
    """Return the highest role that the claim's values give, else the default one."""
    claim = _claim(claims, settings.role_claim)
    values = claim if isinstance(claim, list) else [claim]
    given = {Role(settings.roles[value]) for value in values if isinstance(value, str) and value in settings.roles}
    highest = next((role for role in reversed(Role) if role in given), None)
    return highest or (Role(settings.default_role) if settings.default_role is not None else None)


def _claim(claims: Claims, name: str) -> Any:
    """Return a claim by its name, else by a path with dots: names of claims may be addresses, which have dots, too."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value

"""Who may ask for which route: one table. What is not in it is not served."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from starlette.routing import compile_path

from tracking.people.roles import Role, Scope


@dataclass(frozen=True, slots=True)
class Rule:
    """The least role that a route asks for, and the scope that lets an API token in."""

    role: Role | None
    """None lets everybody in, also without a login."""
    scope: Scope | None = None
    """None lets no token in."""
    before_change: bool = False
    """Open to a user who has to change the password first."""
    from_here: bool = False
    """Open without a login to a program on this machine."""


Routes = Mapping[tuple[str, str], Rule]

_ANYBODY = Rule(None)
_VIEWER = Rule(Role.VIEWER)
_RADIOLOGIST = Rule(Role.RADIOLOGIST)
_ADMINISTRATOR = Rule(Role.ADMINISTRATOR)
_OWN_LOGIN = Rule(Role.VIEWER, before_change=True)
_VIEWER_READS = Rule(Role.VIEWER, Scope.READ)
_RADIOLOGIST_STORES = Rule(Role.RADIOLOGIST, Scope.STORE)
_VIEWER_RETRIEVES = Rule(Role.VIEWER, Scope.DICOMWEB)
_RADIOLOGIST_READS = Rule(Role.RADIOLOGIST, Scope.READ)
_ADMINISTRATOR_READS = Rule(Role.ADMINISTRATOR, Scope.READ)
_VIEWER_ACTS = Rule(Role.VIEWER, Scope.ACT)
_ADMINISTRATOR_ACTS = Rule(Role.ADMINISTRATOR, Scope.ACT)

_ACTS = (
    (_VIEWER, "/study/{uid}/", ("send", "discard")),  # of their own uploads alone
    (_RADIOLOGIST, "/study/{uid}/", ("resend", "withdraw", "reanalyse", "urgent", "retry")),
    (_ADMINISTRATOR, "/study/{uid}/", ("resolve", "reject", "accept", "decline", "delete")),
    (_ADMINISTRATOR, "/destinations/{name}/", ("pause", "resume", "retry")),
)
"""Acts, each with a page that says what will happen and a form that does it; over `/api/v1` with the same role."""

ROUTES: Routes = {
    ("GET", "/health"): _ANYBODY,
    ("GET", "/static/{name}"): _ANYBODY,
    ("GET", "/language"): _ANYBODY,
    ("GET", "/login"): _ANYBODY,
    ("POST", "/login"): _ANYBODY,
    ("GET", "/login/openid"): _ANYBODY,
    ("GET", "/login/openid/done"): _ANYBODY,
    ("POST", "/logout"): _OWN_LOGIN,
    ("GET", "/password"): _OWN_LOGIN,
    ("POST", "/password"): _OWN_LOGIN,
    ("GET", "/"): _VIEWER,
    ("GET", "/live"): _VIEWER,
    ("POST", "/filters"): _VIEWER,
    ("POST", "/filters/delete"): _VIEWER,
    ("GET", "/study/{uid}"): _VIEWER,
    ("GET", "/study/{uid}/captures/{document}.png"): _VIEWER,
    ("GET", "/study/{uid}/maps/{instance}/{label}.png"): _VIEWER,
    ("GET", "/study/{uid}/images/{instance}.png"): _VIEWER,
    ("GET", "/study/{uid}/images/{instance}/maps/{label}.png"): _VIEWER,
    ("GET", "/study/{uid}/captures/{document}.dcm"): _VIEWER,
    ("GET", "/study/{uid}/documents/{document}"): _RADIOLOGIST,
    ("GET", "/study/{uid}/documents/{document}/file"): _RADIOLOGIST,
    ("POST", "/study/{uid}/answers"): _RADIOLOGIST,
    ("GET", "/analyse"): _VIEWER,
    ("POST", "/analyse"): _VIEWER,
    ("GET", "/models"): _VIEWER,
    ("GET", "/models/points"): _ADMINISTRATOR,
    ("GET", "/models/points/{label}"): _ADMINISTRATOR,
    ("POST", "/models/points/{label}"): _ADMINISTRATOR,
    ("GET", "/models/points/{label}/effect"): _ADMINISTRATOR,
    ("POST", "/models/points/{label}/reset"): _ADMINISTRATOR,
    ("GET", "/flow"): _RADIOLOGIST,
    ("GET", "/plots"): _RADIOLOGIST,
    ("GET", "/destinations"): _RADIOLOGIST,
    ("POST", "/destinations/echo"): _ADMINISTRATOR,
    ("GET", "/refusals"): _ADMINISTRATOR,
    ("GET", "/audit"): _ADMINISTRATOR,
    ("GET", "/users"): _ADMINISTRATOR,
    ("POST", "/users"): _ADMINISTRATOR,
    ("POST", "/users/change"): _ADMINISTRATOR,
    ("POST", "/users/revoke"): _ADMINISTRATOR,
    ("GET", "/metrics"): Rule(Role.VIEWER, Scope.METRICS, from_here=True),
    ("GET", "/api/v1/openapi.json"): _VIEWER_READS,
    ("GET", "/api/v1/studies"): _VIEWER_READS,
    ("GET", "/api/v1/studies/{uid}"): _VIEWER_READS,
    ("GET", "/api/v1/studies/{uid}/documents"): _VIEWER_READS,
    ("GET", "/api/v1/documents/{uid}"): _VIEWER_READS,
    ("GET", "/api/v1/documents/{uid}/content"): _RADIOLOGIST_READS,
    ("GET", "/api/v1/models"): _VIEWER_READS,
    ("POST", "/api/v1/analyse"): _VIEWER_READS,
    ("POST", "/api/v1/uploads"): _VIEWER_ACTS,
    ("GET", "/api/v1/points"): _ADMINISTRATOR_READS,
    ("GET", "/api/v1/points/{label}/effect"): _ADMINISTRATOR_READS,
    ("POST", "/api/v1/points/{label}"): _ADMINISTRATOR_ACTS,
    ("POST", "/api/v1/points/{label}/reset"): _ADMINISTRATOR_ACTS,
    ("GET", "/api/v1/destinations"): _RADIOLOGIST_READS,
    ("GET", "/api/v1/refusals"): _ADMINISTRATOR_READS,
    ("GET", "/api/v1/audit"): _ADMINISTRATOR_READS,
    ("POST", "/dicom-web/studies"): _RADIOLOGIST_STORES,
    ("POST", "/dicom-web/studies/{study}"): _RADIOLOGIST_STORES,
    ("GET", "/dicom-web/studies"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/metadata"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/instances"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series/{series}"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series/{series}/metadata"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/metadata"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/bulkdata/{tag}"): _VIEWER_RETRIEVES,
    ("GET", "/dicom-web/studies/{study}/series/{series}/instances/{instance}/rendered"): _VIEWER_RETRIEVES,
    ("GET", "/api/v1/studies/{uid}/answers"): _VIEWER_READS,
    ("POST", "/api/v1/studies/{uid}/answers"): Rule(Role.RADIOLOGIST, Scope.FEEDBACK),
    **{(method, f"{under}{act}"): rule for rule, under, acts in _ACTS for act in acts for method in ("GET", "POST")},
    **{
        ("POST", f"/api/v1{under.replace('/study/', '/studies/')}{act}"): Rule(rule.role, Scope.ACT)
        for rule, under, acts in _ACTS
        for act in acts
    },
}
"""By method and path; GET stands for HEAD, too."""


def rules_of(routes: Routes, path: str) -> dict[str, Rule]:
    """Return the rule of each method of a path, the strictest where two routes match; empty for no page of ours."""
    rules: dict[str, Rule] = {}
    for (method, template), rule in routes.items():
        if _pattern(template).match(path) and (method not in rules or _is_stricter(rule, rules[method])):
            rules[method] = rule
    return rules


def may_see(role: Role | None, path: str) -> bool:
    """Say whether a page is open to a role, for links."""
    rule = rules_of(ROUTES, path).get("GET")
    return rule is not None and allows(rule, role)


def allows(rule: Rule, role: Role | None) -> bool:
    """Say whether a rule lets a role in; None is nobody's."""
    return rule.role is None or (role is not None and role.includes(rule.role))


def _is_stricter(rule: Rule, other: Rule) -> bool:
    return rule.role is not None and (other.role is None or not other.role.includes(rule.role))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return compile_path(template)[0]

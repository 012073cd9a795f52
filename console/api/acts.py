"""Acts on studies and destinations, for programs: the same acts as on the pages and the command line."""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field, create_model
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.errors import ActionRefused, ConfirmationNeeded
from console import words
from console.acts.act import Act, ActRequest, perform
from console.acts.destination_acts import DESTINATION_ACTS
from console.acts.study_acts import STUDY_ACTS
from console.api.bodies import Body, described, read_body
from console.api.models import act_models
from console.api.prefix import PREFIX
from console.api.studies import Uid
from console.site import Site
from tracking.lists import queries
from tracking.outbox.reasons import Reason

Handler = Callable[..., Awaitable[act_models.ActOutcome]]
DestinationName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
_UID = r"^[A-Za-z0-9._-]{1,64}$"
_SHA256 = r"^[0-9a-f]{64}$"
_FIELDS: Mapping[str, Any] = {
    "destination": (str | None, Field(None, max_length=40, description="One destination; left out, all of them.")),
    "reason": (str, Field(json_schema_extra={"enum": [reason.value for reason in Reason]}, max_length=40)),
    "why": (str, Field(min_length=1, max_length=500, description="For the audit log; no patient data.")),
    "patient": (str, Field(min_length=1, max_length=64, description="The Patient ID whose images stay.")),
    "issuer": (str | None, Field(None, max_length=64, description="The Issuer of Patient ID.")),
    "instance": (str, Field(pattern=_UID, description="SOP Instance UID.")),
    "sha256": (str | None, Field(None, pattern=_SHA256, description="The file that is meant, where several wait.")),
    "other_patient": (bool, Field(False, description="It is meant that another patient or study is touched.")),
}
"""The fields that acts ask for, as :class:`console.acts.act.Act` names them."""


def routes(site: Site) -> APIRouter:
    """Return one route for each act."""
    router = APIRouter(prefix=PREFIX, tags=["acts"])
    for act in STUDY_ACTS:
        _add(router, f"/studies/{{uid}}/{act.name}", act, _on_study(site, act))
    for act in DESTINATION_ACTS:
        _add(router, f"/destinations/{{name}}/{act.name}", act, _on_destination(site, act))
    return router


def _add(router: APIRouter, path: str, act: Act, handler: Handler) -> None:
    handler.__doc__ = f"{act.title}. {act.warning}"
    extra = described(_body(act)) if act.fields else None
    subject = "study" if act in STUDY_ACTS else "destination"
    router.post(
        path, response_model=act_models.ActOutcome, openapi_extra=extra, summary=act.title, name=f"{act.name}_{subject}"
    )(handler)


@cache
def _body(act: Act) -> type[Body]:
    body: type[Body] = create_model(act.name.title(), __base__=Body, **{name: _FIELDS[name] for name in act.fields})
    return body


def _on_study(site: Site, act: Act) -> Handler:
    body = _body(act)

    async def do(request: Request, uid: Uid) -> act_models.ActOutcome:
        fields = await _fields(request, act, body)
        return await run_in_threadpool(_do, site, request, act, uid, fields)

    return do


def _on_destination(site: Site, act: Act) -> Handler:
    body = _body(act)

    async def do(request: Request, name: DestinationName) -> act_models.ActOutcome:
        fields = await _fields(request, act, body)
        return await run_in_threadpool(_do, site, request, act, name, fields)

    return do


async def _fields(request: Request, act: Act, body: type[Body]) -> Mapping[str, str]:
    """Return the fields as a form would bring them."""
    if not act.fields:
        return {}
    sent = (await read_body(request, body)).model_dump(exclude_none=True)
    return {name: ("yes" if value else "") if isinstance(value, bool) else str(value) for name, value in sent.items()}


def _do(site: Site, request: Request, act: Act, subject: str, fields: Mapping[str, str]) -> act_models.ActOutcome:
    with site.database.reading() as read:
        if act in STUDY_ACTS:
            is_known = queries.find_study(read, subject) is not None
        else:
            names = {summary.name for summary in queries.destinations(read)}
            is_known = subject in names or site.settings.destination(subject) is not None
    if not is_known:
        raise HTTPException(404)
    if fields.get("other_patient") and not fields.get("sha256"):
        raise HTTPException(409, "Say with sha256 which file is meant, where other_patient is true.")
    act_request = ActRequest(site, words.printable(subject), fields, request.state.identity, request.state.token)
    try:
        return act_models.ActOutcome(act=act.name, subject=subject, outcome=perform(act, act_request))
    except ConfirmationNeeded as needed:
        how = f"where that is meant, send other_patient as true with the sha256 {needed.sha256}"
        raise HTTPException(409, f"{_sentence(needed)} Nothing was changed: {how}.") from None
    except ActionRefused as refused:
        raise HTTPException(409, _sentence(refused)) from None


def _sentence(error: ActionRefused) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:].rstrip('.')}."

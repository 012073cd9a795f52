"""Acts on a study or a destination: a page that says what will happen, and a form that does it.

Each act is the function that the command line calls, too, in one transaction with its audit line, which names the
person. What is refused is said in words, and nothing has changed then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from config.errors import ActionRefused, ConfirmationNeeded
from config.language.translation import gettext as _
from config.language.translation import marked, ngettext
from console import words
from console.forms import read_fields
from console.site import POST_PAGE, READ_PAGE, Site
from tracking import (
    act_words,
    audit,
    corrections,
    deletion,
    deliveries,
    maintenance,
    pauses,
    priorities,
    queries,
    reanalysis,
    rejections,
    resending,
    uploads,
    withdrawal,
)
from tracking.analyses import load_study
from tracking.reasons import Reason
from tracking.users import Identity

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ActRequest:
    """Who asks for an act on what: a study's UID or a destination's name, and the fields of the form."""

    site: Site
    subject: str
    fields: Fields
    by: Identity
    token: str = ""
    """The API token with which a program asks for this user."""

    @property
    def user(self) -> str:
        """Return the name of who asks."""
        return self.by.name

    def field(self, name: str) -> str:
        """Return a field without blanks around it; empty where it was left out."""
        return self.fields.get(name, "").strip()


Perform = Callable[[Session, ActRequest], str]
"""Does an act in a transaction, and says what came of it. Raises ActionRefused."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act: its name in the address, its words, the fields that its form asks for, and what does it."""

    name: str
    title: str
    warning: str
    fields: tuple[str, ...]
    perform: Perform


def _resend(tx: Session, act_request: ActRequest) -> str:
    destination = act_request.field("destination") or None
    return act_words.resent(
        resending.resend_study(tx, act_request.subject, destination=destination, user=act_request.user)
    )


def _told(act_request: ActRequest) -> rejections.Told:
    return rejections.told_by(act_request.site.settings)


def _withdraw(tx: Session, act_request: ActRequest) -> str:
    reason = act_request.field("reason")
    if reason not in set(Reason):
        msg = _("choose one of the reasons")
        raise ActionRefused(msg)
    outcome = withdrawal.withdraw_study(
        tx,
        act_request.subject,
        reason=Reason(reason),
        why=act_request.field("why"),
        told=_told(act_request),
        user=act_request.user,
    )
    return act_words.withdrawn(outcome)


def _reanalyse(tx: Session, act_request: ActRequest) -> str:
    return act_words.reanalysed(reanalysis.reanalyse_study(tx, act_request.subject, user=act_request.user))


def _urgent(tx: Session, act_request: ActRequest) -> str:
    changed = priorities.mark_urgent(tx, act_request.subject, user=act_request.user)
    return _("urgent") if changed else _("urgent already, nothing changed")


def _retry(tx: Session, act_request: ActRequest) -> str:
    started = deliveries.retry_deliveries(tx, study_uid=act_request.subject, user=act_request.user)
    started += maintenance.retry_study(tx, act_request.subject, user=act_request.user)
    return _("%(count)s started again") % {"count": started} if started else _("nothing stopped or waits there")


def _resolve(tx: Session, act_request: ActRequest) -> str:
    issuer = act_request.field("issuer") or None
    outcome = corrections.resolve_study(
        tx, act_request.subject, act_request.field("patient"), issuer, told=_told(act_request), user=act_request.user
    )
    if not outcome.changed:
        return _("resolved that way already, nothing changed")
    kept, rejected = (act_words.images(len(images)) for images in (outcome.kept, outcome.rejected))
    return _("%(kept)s of that patient will be analysed, %(rejected)s rejected") % {"kept": kept, "rejected": rejected}


def _reject(tx: Session, act_request: ActRequest) -> str:
    rejected = corrections.reject_instance(
        tx, act_request.subject, act_request.field("instance"), told=_told(act_request), user=act_request.user
    )
    return _("image rejected") if rejected else _("image rejected already, nothing changed")


def _accept(tx: Session, act_request: ActRequest) -> str:
    sha256 = act_request.field("sha256") or None
    outcome = corrections.accept_instance(
        tx, act_request.subject, act_request.field("instance"), sha256=sha256, user=act_request.user,
        told=_told(act_request), other_patient=act_request.field("other_patient") == "yes",
    )  # fmt: skip
    if not outcome.changed:
        return _("accepted already, nothing changed")
    return _("the other file stands now; the study will be analysed again")


def _decline(tx: Session, act_request: ActRequest) -> str:
    sha256 = act_request.field("sha256") or None
    declined = corrections.dismiss_kept_aside(
        tx, act_request.subject, act_request.field("instance"), sha256=sha256, user=act_request.user
    )
    if not declined:
        return _("nothing waits there, nothing changed")
    return ngettext("%(num)s file declined", "%(num)s files declined", declined) % {"num": declined}


def _delete(tx: Session, act_request: ActRequest) -> str:
    settings = act_request.site.settings
    stores = deletion.Stores(settings.instance_dir, settings.document_dir)
    outcome = deletion.delete_study(
        tx, act_request.subject, why=act_request.field("why"), stores=stores, user=act_request.user
    )
    return act_words.deleted(outcome)


def _send_upload(tx: Session, act_request: ActRequest) -> str:
    names = _configured(act_request.site)
    released = uploads.release_upload(tx, act_request.subject, by=act_request.by, destinations=names)
    if not released:
        return _("sent already, nothing changed")
    return _("on the way to %(destinations)s") % {"destinations": ", ".join(sorted(names))}


def _discard_upload(tx: Session, act_request: ActRequest) -> str:
    settings = act_request.site.settings
    stores = deletion.Stores(settings.instance_dir, settings.document_dir)
    return act_words.deleted(uploads.discard_upload(tx, act_request.subject, by=act_request.by, stores=stores))


STUDY_ACTS = (
    Act(
        "send", marked("Send the upload"),
        marked(
            "The documents of this upload, the structured report, captures and messages, go to every destination that "
            "gets those of received studies, and so do those of later results of it. The uploaded image itself is not "
            "sent: the documents name it under UIDs of this node, which archives do not know, and carry the patient "
            "that the file names, if it names one."
        ),
        (), _send_upload,
    ),
    Act(
        "discard", marked("Delete the upload"),
        marked(
            "The uploaded image, its result, its documents and readers' answers are deleted here, with their files. "
            "What was sent stays where it is, and the audit log keeps its lines. This cannot be undone."
        ),
        (), _discard_upload,
    ),
    Act(
        "resend", marked("Send again"),
        marked(
            "The documents that hold for this study are sent once more, the same bytes under the same UIDs. "
            "Choose one destination, or all that had them due."
        ),
        ("destination",), _resend,
    ),
    Act(
        "withdraw", marked("Withdraw the result"),
        marked(
            "Nothing more of the result leaves. Archives get a note that names its documents as rejected, "
            "receivers of messages a correction that deletes it. The study stands as withdrawn; this cannot "
            "be undone, but a new analysis makes a new result."
        ),
        ("reason", "why"), _withdraw,
    ),
    Act(
        "reanalyse", marked("Analyse again"),
        marked(
            "The images are analysed once more with the model of today, after all other work. The result of "
            "now stands until the new one takes its place, in new documents that replace the old ones."
        ),
        (), _reanalyse,
    ),
    Act(
        "urgent", marked("Mark urgent"),
        marked(
            "Analysis, documents and deliveries of this study come before those of others, now and for "
            "images that come later."
        ),
        (), _urgent,
    ),
    Act(
        "retry", marked("Start again"),
        marked(
            "What stopped, or waits after a failure, is tried again now. Mend the cause first."
        ),
        (), _retry,
    ),
    Act(
        "resolve", marked("Say whose the study is"),
        marked(
            "Images of this Patient ID stay and are analysed; all others are rejected: kept on disk, in no "
            "document. Results from before are void."
        ),
        ("patient", "issuer"), _resolve,
    ),
    Act(
        "reject", marked("Reject an image"),
        marked(
            "The image is kept on disk, never analysed, and in no document. Results that it had a part in "
            "are void; the images that stay are analysed again."
        ),
        ("instance",), _reject,
    ),
    Act(
        "accept", marked("Accept the corrected image"),
        marked(
            "The file that came later takes the place of the one that stands. Results from before are void, "
            "and the study is analysed again. The replaced file is kept."
        ),
        ("instance", "sha256", "other_patient"), _accept,
    ),
    Act(
        "decline", marked("Decline the corrected image"),
        marked(
            "The image that stands stays, with its results. The file that came later is kept on disk, and "
            "nobody is asked about it any more."
        ),
        ("instance", "sha256"), _decline,
    ),
    Act(
        "delete", marked("Delete the study"),
        marked(
            "Images, results and documents of this study are deleted here, with their files. What "
            "destinations have stays there, and the audit log keeps its lines. This cannot be undone."
        ),
        ("why",), _delete,
    ),
)  # fmt: skip


def _pause(tx: Session, act_request: ActRequest) -> str:
    names = _configured(act_request.site)
    paused = pauses.pause_destination(tx, act_request.subject, configured=names, user=act_request.user)
    return _("paused") if paused else _("paused already, nothing changed")


def _resume(tx: Session, act_request: ActRequest) -> str:
    names = _configured(act_request.site)
    resumed = pauses.resume_destination(tx, act_request.subject, configured=names, user=act_request.user)
    return _("resumed") if resumed else _("not paused, nothing changed")


def _retry_destination(tx: Session, act_request: ActRequest) -> str:
    started = deliveries.retry_deliveries(tx, destination=act_request.subject, user=act_request.user)
    return ngettext("%(num)s delivery started again", "%(num)s deliveries started again", started) % {"num": started}


DESTINATION_ACTS = (
    Act(
        "pause", marked("Pause the destination"),
        marked(
            "Nothing is sent there until somebody resumes it; what is due waits, however long."
        ),
        (), _pause,
    ),
    Act(
        "resume", marked("Resume the destination"),
        marked(
            "What waits is sent again, with its patience renewed."
        ),
        (), _resume,
    ),
    Act(
        "retry", marked("Start again what stopped"),
        marked(
            "Everything that stopped or waits for this destination is tried again now. Mend the cause first."
        ),
        (), _retry_destination,
    ),
)  # fmt: skip


def routes(site: Site) -> APIRouter:
    """Return two routes for each act: the page that says what will happen, and the form."""
    router = APIRouter()
    for act in STUDY_ACTS:
        pages = StudyAct(site, act)
        router.api_route(f"/study/{{uid}}/{act.name}", **READ_PAGE)(pages.confirm)
        router.api_route(f"/study/{{uid}}/{act.name}", **POST_PAGE)(pages.do)
    for act in DESTINATION_ACTS:
        steps = DestinationAct(site, act)
        router.api_route(f"/destinations/{{name}}/{act.name}", **READ_PAGE)(steps.confirm)
        router.api_route(f"/destinations/{{name}}/{act.name}", **POST_PAGE)(steps.do)
    return router


class StudyAct:
    """The pages of one act on a study."""

    def __init__(self, site: Site, act: Act) -> None:
        self._site = site
        self._act = act

    def confirm(self, request: Request, uid: str) -> HTMLResponse:
        """Say what will happen, and to whose study; who looks is noted."""
        self._site.note_view(request, uid, {"what": f"asked whether to {self._act.name}"})
        return self._show(request, uid, dict(request.query_params))

    async def do(self, request: Request, uid: str) -> HTMLResponse:
        """Do it; say what came of it, or why not."""
        fields = await read_fields(request)
        return await run_in_threadpool(self._do, request, uid, fields)

    def _do(self, request: Request, uid: str, fields: Fields) -> HTMLResponse:
        if uid != words.printable(uid):
            raise HTTPException(404)
        act_request = ActRequest(self._site, uid, fields, request.state.identity)
        try:
            answer = perform(self._act, act_request)
        except ConfirmationNeeded as needed:
            return self._refuse(request, uid, {**fields, "sha256": needed.sha256, "asks": "yes"}, str(needed))
        except ActionRefused as refused:
            return self._refuse(request, uid, fields, str(refused))
        back = None if self._act.name in {"delete", "discard"} else f"/study/{uid}"
        return _show_done(self._site, request, self._act, _("Study %(uid)s") % {"uid": uid}, answer, back or "/")

    def _refuse(self, request: Request, uid: str, fields: Fields, problem: str) -> HTMLResponse:
        """Say why nothing was changed; the page names the patient, so that who looks is noted."""
        self._site.note_view(request, uid, {"what": f"was refused to {self._act.name}"})
        return self._show(request, uid, fields, problem=problem, code=409)

    def _show(self, request: Request, uid: str, fields: Fields, *, problem: str = "", code: int = 200) -> HTMLResponse:
        with self._site.database.reading() as read:
            summary = queries.find_study(read, uid)
            header = load_study(read, uid) if summary is not None else None
        if summary is None or header is None:
            raise HTTPException(404)
        return self._site.show(
            request, "act.html", code, act=self._act, fields=fields, summary=summary, header=header, problem=problem,
            destinations=sorted(_configured(self._site)), reasons=list(Reason), back=f"/study/{uid}", subject=uid,
        )  # fmt: skip


class DestinationAct:
    """The pages of one act on a destination."""

    def __init__(self, site: Site, act: Act) -> None:
        self._site = site
        self._act = act

    def confirm(self, request: Request, name: str) -> HTMLResponse:
        """Say what will happen to which destination."""
        return self._show(request, name)

    async def do(self, request: Request, name: str) -> HTMLResponse:
        """Do it; say what came of it, or why not."""
        fields = await read_fields(request)
        return await run_in_threadpool(self._do, request, name, fields)

    def _do(self, request: Request, name: str, fields: Fields) -> HTMLResponse:
        act_request = ActRequest(self._site, words.printable(name), fields, request.state.identity)
        try:
            answer = perform(self._act, act_request)
        except ActionRefused as refused:
            return self._show(request, name, problem=str(refused), code=409)
        return _show_done(
            self._site, request, self._act, _("Destination %(name)s") % {"name": name}, answer, "/destinations"
        )

    def _show(self, request: Request, name: str, *, problem: str = "", code: int = 200) -> HTMLResponse:
        with self._site.database.reading() as read:
            known = {summary.name for summary in queries.destinations(read)} | _configured(self._site)
        if name not in known:
            raise HTTPException(404)
        return self._site.show(
            request, "act.html", code, act=self._act, fields={}, summary=None, header=None, problem=problem,
            destinations=(), reasons=(), back="/destinations", subject=name,
        )  # fmt: skip


def perform(act: Act, act_request: ActRequest) -> str:
    """Do an act, and say what came of it; of a program, every audit line names the token, too.

    Raises
    ------
    ActionRefused
        It cannot be done as things stand; nothing was changed.
    """
    with act_request.site.database.transaction() as tx:
        if act_request.token:
            audit.add_means(tx, {"how": "api", "token": act_request.token})
        return act.perform(tx, act_request)


def _show_done(site: Site, request: Request, act: Act, subject: str, answer: str, back: str) -> HTMLResponse:
    return site.show(request, "acted.html", act=act, subject=subject, answer=answer, back=back)


def _configured(site: Site) -> set[str]:
    return {entry.name for entry in site.settings.destinations}

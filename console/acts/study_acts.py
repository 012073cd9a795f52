"""What a person does to a study: each is the function that the command line calls, too."""

from sqlalchemy.orm import Session

from config.errors import ActionRefused
from config.language.translation import gettext as _
from config.language.translation import marked, ngettext
from console.acts.act import Act, ActRequest
from tracking.jobs import maintenance, priorities
from tracking.lists import act_words
from tracking.outbox import deliveries, rejections, resending, withdrawal
from tracking.outbox.reasons import Reason
from tracking.results import reanalysis
from tracking.studies import corrections, deletion, uploads


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
    names = act_request.site.destination_names
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

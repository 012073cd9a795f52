"""What a person does to a destination: each is the function that the command line calls, too."""

from sqlalchemy.orm import Session

from config.language.translation import gettext as _
from config.language.translation import marked, ngettext
from console.acts.act import Act, ActRequest
from tracking.outbox import deliveries, pauses


def _pause(tx: Session, act_request: ActRequest) -> str:
    names = act_request.site.destination_names
    paused = pauses.pause_destination(tx, act_request.subject, configured=names, user=act_request.user)
    return _("paused") if paused else _("paused already, nothing changed")


def _resume(tx: Session, act_request: ActRequest) -> str:
    names = act_request.site.destination_names
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

"""What an act came to, in words that the command line and the web pages share; no patient data.

The words are in the language in force: on the command line in English, on a page in the language of who reads it.
"""

from config.language.translation import gettext as _
from config.language.translation import ngettext
from tracking.outbox.resending import Resending
from tracking.outbox.withdrawal import Withdrawal
from tracking.results.reanalysis import Reanalysis
from tracking.studies.deletion import Deletion


def images(number: int) -> str:
    """Return a number of images in words."""
    return ngettext("%(num)s image", "%(num)s images", number) % {"num": number}


def documents(number: int) -> str:
    """Return a number of documents in words."""
    return ngettext("%(num)s document", "%(num)s documents", number) % {"num": number}


def resent(outcome: Resending) -> str:
    """Say what sending again came to."""
    parts = [
        _("%(documents)s to %(destination)s queued again") % {"documents": documents(number), "destination": name}
        for name, number in outcome.queued.items()
    ]
    parts += [
        _("%(documents)s to %(destination)s waiting already") % {"documents": documents(number), "destination": name}
        for name, number in outcome.waiting.items()
    ]
    if outcome.quarantined:
        parts.append(_("%(documents)s left out, quarantined") % {"documents": documents(outcome.quarantined)})
    return "; ".join(parts) or _("nothing was queued: no destination takes the documents of this study")


def withdrawn(outcome: Withdrawal) -> str:
    """Say what a withdrawal came to."""
    parts = [_("withdrawn") if outcome.changed else _("withdrawn already, nothing changed")]
    if outcome.dropped:
        parts.append(_("%(documents)s will not be sent") % {"documents": documents(outcome.dropped)})
    parts += [
        _("a note to %(destination)s takes back %(documents)s") % {"destination": name, "documents": documents(number)}
        for name, number in outcome.taken_back.items()
    ]
    parts += [
        _("%(documents)s at %(destination)s to be removed there, as it is told no rejection notes")
        % {"documents": documents(number), "destination": name}
        for name, number in outcome.left.items()
    ]
    return "; ".join(parts)


def reanalysed(outcome: Reanalysis) -> str:
    """Say what asking for a new analysis of one study came to."""
    return {
        Reanalysis.BEGUN: _("to be analysed anew"),
        Reanalysis.DUE: _("an analysis is due already, nothing changed"),
        Reanalysis.SAME: _("answered by this model and settings already"),
    }[outcome]


def deleted(outcome: Deletion) -> str:
    """Say what was deleted."""
    return _("deleted, %(images)s and %(documents)s") % {
        "images": images(outcome.images), "documents": documents(outcome.documents)
    }  # fmt: skip

"""What an act came to, in words that the command line and the web pages share; no patient data."""

from tracking.counted import count
from tracking.deletion import Deletion
from tracking.reanalysis import Reanalysis
from tracking.resending import Resending
from tracking.withdrawal import Withdrawal


def resent(outcome: Resending) -> str:
    """Say what sending again came to."""
    parts = [f"{count(number, 'document')} to {name} queued again" for name, number in outcome.queued.items()]
    parts += [f"{count(number, 'document')} to {name} waiting already" for name, number in outcome.waiting.items()]
    parts += [f"{count(outcome.quarantined, 'document')} left out, quarantined"] if outcome.quarantined else []
    return "; ".join(parts) or "nothing was queued: no destination takes the documents of this study"


def withdrawn(outcome: Withdrawal) -> str:
    """Say what a withdrawal came to."""
    parts = ["withdrawn" if outcome.changed else "withdrawn already, nothing changed"]
    parts += [f"{count(outcome.dropped, 'document')} will not be sent"] if outcome.dropped else []
    parts += [f"a note to {name} takes back {count(number, 'document')}" for name, number in outcome.taken_back.items()]
    parts += [
        f"{count(number, 'document')} at {name} to be removed there, as it is told no rejection notes"
        for name, number in outcome.left.items()
    ]
    return "; ".join(parts)


def reanalysed(outcome: Reanalysis) -> str:
    """Say what asking for a new analysis of one study came to."""
    return {
        Reanalysis.BEGUN: "to be analysed anew",
        Reanalysis.DUE: "an analysis is due already, nothing changed",
        Reanalysis.SAME: "answered by this model and settings already",
    }[outcome]


def deleted(outcome: Deletion) -> str:
    """Say what was deleted."""
    return f"deleted, {count(outcome.images, 'image')} and {count(outcome.documents, 'document')}"

"""Which studies a list shows, and in which order."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

STATUSES = (
    "conflict", "waiting", "attention", "received", "analysed", "reported", "delivered", "not-analysed", "withdrawn",
    "rejected",
)  # fmt: skip
"""Every status a study can have, as :mod:`tracking.lists.summarise` names them."""


class Order(StrEnum):
    """What the list is ordered by, the newest first; the dates of a filter are of the same kind."""

    ARRIVAL = "arrival"
    STUDY_DATE = "study-date"


class Need(StrEnum):
    """What a study waits for a person to do."""

    DECISION = "decision"
    """Corrected files were kept aside."""
    WORK = "work"
    """Its analysis or report stopped."""
    DOCUMENT = "document"
    """A document was quarantined."""
    DELIVERY = "delivery"
    """A delivery stopped."""


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies are listed; what is empty filters nothing.

    ``search`` is how a study UID, an accession number, a Patient ID or a patient's name begins, ``patient`` and
    ``accession`` how those alone do; of a study in conflict the patient of any image counts, and of a study that files
    kept aside name, what those say. ``finding`` is the label
    of a stated abnormal finding that is present or undetermined; ``calling_ae`` is who sent the last image. ``first``
    and ``last`` are days, both inclusive. ``needs`` is what a study waits for.
    """

    search: str = ""
    patient: str = ""
    accession: str = ""
    status: str = ""
    finding: str = ""
    calling_ae: str = ""
    urgent: bool = False
    first: date | None = None
    last: date | None = None
    needs: Need | None = None


ALL_STUDIES = StudyFilter()
"""Nothing is left out."""

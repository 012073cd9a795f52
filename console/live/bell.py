"""The bell: what waits for a person, as lines that lead to the lists."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from config.language.translation import gettext as _
from config.language.translation import ngettext
from console.access import roles
from tracking.lists.attention import COUNTED_UP_TO, Attention
from tracking.people.roles import Role


@dataclass(frozen=True, slots=True)
class BellLine:
    """One kind of what waits: how much, in words, and where it is listed."""

    count: int
    words: str
    address: str

    @property
    def count_words(self) -> str:
        """Return the count as it is shown."""
        return _("more than %(count)s") % {"count": COUNTED_UP_TO} if self.count > COUNTED_UP_TO else str(self.count)


def bell_lines(attention: Attention, role: Role) -> tuple[BellLine, ...]:
    """Return what waits, of the lists that a role may see; certificates are the administrators' business."""
    if role is not Role.ADMINISTRATOR:
        attention = replace(attention, certificates=0)
    return tuple(
        line for line in _lines(attention) if line.count and roles.may_see(role, line.address.partition("?")[0])
    )


def _lines(attention: Attention) -> Iterator[BellLine]:
    count = attention.conflicts
    yield BellLine(count, ngettext("study with two patients", "studies with two patients", count), "/?status=conflict")
    count = attention.decisions
    words = ngettext("study with a corrected file", "studies with corrected files", count)
    yield BellLine(count, words, "/?needs=decision")
    count = attention.work
    words = ngettext("analysis or report stopped", "analyses or reports stopped", count)
    yield BellLine(count, words, "/?needs=work")
    count = attention.documents
    words = ngettext("study with a quarantined document", "studies with quarantined documents", count)
    yield BellLine(count, words, "/?needs=document")
    count = attention.deliveries
    words = ngettext("study with a stopped delivery", "studies with stopped deliveries", count)
    yield BellLine(count, words, "/?needs=delivery")
    count = attention.certificates
    yield BellLine(count, ngettext("certificate that expires", "certificates that expire", count), "/destinations")
    count = attention.refusals
    words = ngettext("kind of refusal since yesterday", "kinds of refusals since yesterday", count)
    yield BellLine(count, words, "/refusals?days=1")

"""The bell: what waits for a person, as lines that lead to the lists."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from console.access import roles
from tracking.attention import COUNTED_UP_TO, Attention
from tracking.roles import Role


@dataclass(frozen=True, slots=True)
class BellLine:
    """One kind of what waits: how much, in words, and where it is listed."""

    count: int
    words: str
    address: str

    @property
    def count_words(self) -> str:
        """Return the count as it is shown."""
        return f"more than {COUNTED_UP_TO}" if self.count > COUNTED_UP_TO else str(self.count)


def bell_lines(attention: Attention, role: Role) -> tuple[BellLine, ...]:
    """Return what waits, of the lists that a role may see; certificates are the administrators' business."""
    if role is not Role.ADMINISTRATOR:
        attention = replace(attention, certificates=0)
    return tuple(
        line for line in _lines(attention) if line.count and roles.may_see(role, line.address.partition("?")[0])
    )


def _lines(attention: Attention) -> Iterator[BellLine]:
    def line(count: int, one: str, many: str, address: str) -> BellLine:
        return BellLine(count, one if count == 1 else many, address)

    yield line(attention.conflicts, "study with two patients", "studies with two patients", "/?status=conflict")
    yield line(attention.decisions, "study with a corrected file", "studies with corrected files", "/?needs=decision")
    yield line(attention.work, "analysis or report stopped", "analyses or reports stopped", "/?needs=work")
    yield line(
        attention.documents, "study with a quarantined document", "studies with quarantined documents",
        "/?needs=document",
    )  # fmt: skip
    yield line(
        attention.deliveries, "study with a stopped delivery", "studies with stopped deliveries", "/?needs=delivery"
    )
    yield line(attention.certificates, "certificate that expires", "certificates that expire", "/destinations")
    yield line(
        attention.refusals, "kind of refusal since yesterday", "kinds of refusals since yesterday", "/refusals?days=1"
    )

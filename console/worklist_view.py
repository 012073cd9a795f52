"""Which part of the worklist a page shows, as its address says it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from console import words
from tracking.lists.study_condition import Key
from tracking.lists.study_filter import STATUSES, Need, Order, StudyFilter

LONGEST_VALUE = 128
_YEARS = range(1900, 2200)
_UID_LENGTH = 64
_LATEST = 2**62


@dataclass(frozen=True, slots=True)
class WorklistView:
    """A filter, an order and the study that the page goes on from; equal views show the same rows."""

    which: StudyFilter
    order: Order = Order.ARRIVAL
    after: Key | None = None
    before: Key | None = None

    @property
    def is_filtered(self) -> bool:
        """Something is left out."""
        return self.which != StudyFilter()

    @property
    def is_first_page(self) -> bool:
        """No study goes before the rows of this page."""
        return self.after is None and self.before is None

    def address(self, *, after: Key | None = None, before: Key | None = None) -> str:
        """Return the query of the page that goes on from a key: ``?status=…``; of the first page without one."""
        which = self.which
        asked = {
            "q": which.search, "status": which.status, "finding": which.finding, "caller": which.calling_ae,
            "urgent": "1" if which.urgent else "", "first": which.first, "last": which.last,
            "needs": which.needs or "", "order": self.order if self.order is not Order.ARRIVAL else "",
            "after": _key_text(after), "before": _key_text(before),
        }  # fmt: skip
        return "?" + urlencode({name: str(value) for name, value in asked.items() if value})

    @property
    def own_address(self) -> str:
        """Return the query of this page itself."""
        return self.address(after=self.after, before=self.before)


def read_view(asked: Mapping[str, str]) -> WorklistView:
    """Read a view from the query of an address; what no page wrote filters nothing."""

    def value(name: str) -> str:
        return words.printable(asked.get(name, "")[:LONGEST_VALUE])

    order = Order.STUDY_DATE if value("order") == Order.STUDY_DATE else Order.ARRIVAL
    which = StudyFilter(
        search=value("q"),
        status=value("status") if value("status") in STATUSES else "",
        finding=value("finding"),
        calling_ae=value("caller"),
        urgent=bool(value("urgent")),
        first=_day(value("first")),
        last=_day(value("last")),
        needs=Need(value("needs")) if value("needs") in set(Need) else None,
    )
    return WorklistView(which, order, _key(value("after"), order), _key(value("before"), order))


def _day(text: str) -> date | None:
    """Read a day as a form sends it; None for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in _YEARS else None


def _key(text: str, order: Order) -> Key | None:
    """Read where a page begins from its address; None, which is the first page, for what no page wrote."""
    at, _, uid = text.partition("~")
    if not uid or len(uid) > _UID_LENGTH:
        return None
    if order is Order.STUDY_DATE:
        return at[:8], uid
    return (int(at), uid) if re.fullmatch(r"[0-9]{1,19}", at) and int(at) < _LATEST else None


def _key_text(key: Key | None) -> str:
    return "" if key is None else f"{key[0]}~{key[1]}"

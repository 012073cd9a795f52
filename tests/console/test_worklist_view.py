"""The address of a view of the worklist: every view has one, and every address a view."""

from datetime import date
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from console import words
from console.worklist_view import WorklistView, read_view
from tracking.lists.study_filter import STATUSES, Need, Order, StudyFilter

_WORDS = st.text(max_size=64).map(words.printable)
_DAYS = st.none() | st.dates(min_value=date(1900, 1, 1), max_value=date(2199, 12, 31))
_FILTERS = st.builds(
    StudyFilter, search=_WORDS, status=st.sampled_from(["", *STATUSES]), finding=_WORDS, calling_ae=_WORDS,
    urgent=st.booleans(), first=_DAYS, last=_DAYS, needs=st.none() | st.sampled_from(Need),
)  # fmt: skip
_UIDS = st.from_regex(r"[0-9][0-9.]{0,63}", fullmatch=True)
_KEYS = st.none() | st.tuples(st.integers(0, 2**62 - 1), _UIDS)


def parsed(address: str) -> dict[str, str]:
    return dict(parse_qsl(address.removeprefix("?")))


@given(_FILTERS, _KEYS, _KEYS)
def test_a_view_comes_back_from_its_address(which: StudyFilter, after: object, before: object) -> None:
    view = WorklistView(which, Order.ARRIVAL, after, before)  # type: ignore[arg-type]
    assert read_view(parsed(view.own_address)) == view
    assert read_view(parsed(view.address())) == WorklistView(which)


@given(st.dictionaries(st.sampled_from(["q", "status", "needs", "first", "after", "order", "urgent", "x"]), st.text()))
def test_whatever_is_asked_is_a_view(asked: dict[str, str]) -> None:
    assert read_view(parsed(read_view(asked).own_address)) == read_view(asked)

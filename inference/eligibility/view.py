"""The view: view codes and View Position, Patient Orientation, then descriptions, the nearest first.

Codes and View Position describe the same image, so they count together: a lateral code beside PA is a contradiction.
"""

from collections.abc import Collection

from config.settings import InferenceSettings
from inference.eligibility import orientation
from inference.eligibility.answer import Doubt, Sources, Statement, View, nearest
from inference.eligibility.terms import is_placeholder, words
from inference.eligibility.view_terms import DESCRIPTION_TERMS, LATERAL_ALONE, POSITION_TERMS, VIEW_CODES
from inference.header import CodedTerm, Header
from inference.not_analysed import NotAnalysed, ReasonCode

_MOST_SPECIFIC_FIRST = (View.SWIMMERS, View.DECUBITUS, View.LORDOTIC, View.OBLIQUE, View.LATERAL, View.FRONTAL)
"""An AP oblique is an oblique view, and a left lateral decubitus a decubitus view."""

_KINDS_OF_FRONTAL = (View.SWIMMERS, View.DECUBITUS, View.LORDOTIC, View.OBLIQUE)
"""Views that an AP or PA view may be when a second source looks closer; a lateral one contradicts it."""
_REFUSALS = {
    View.LATERAL: ReasonCode.LATERAL,
    View.OBLIQUE: ReasonCode.OBLIQUE,
    View.DECUBITUS: ReasonCode.DECUBITUS,
    View.LORDOTIC: ReasonCode.LORDOTIC,
    View.SWIMMERS: ReasonCode.SWIMMERS,
}
_DOUBTS = {
    Doubt.SILENT: ReasonCode.VIEW_SILENT,
    Doubt.UNRECOGNISED: ReasonCode.VIEW_UNRECOGNISED,
    Doubt.CONTRADICTION: ReasonCode.VIEW_CONTRADICTION,
}


def view_of(header: Header, settings: InferenceSettings) -> Statement[View]:
    """Return the view that the header names; a silent header is frontal where the site assumes it."""
    near = (
        _by_codes_and_position(header),
        _by_orientation(header),
        _stated("body part examined", DESCRIPTION_TERMS.find(header.body_part)),
        *(_by_text(text.source.value, text.text) for text in header.descriptions if text.source.near),
    )
    far = [_by_text(text.source.value, text.text) for text in header.descriptions if not text.source.near]
    view = nearest(Sources(near, far), View.FRONTAL, View.UNKNOWN, _KINDS_OF_FRONTAL)
    return Statement(View.FRONTAL) if view.doubt is Doubt.SILENT and settings.assume_frontal else view


def refusal_of(view: Statement[View]) -> NotAnalysed | None:
    """Return why a view is not analysed, None for one that is frontal or unknown."""
    code = _REFUSALS.get(view.value)
    return NotAnalysed(code) if code else None


def doubt_of(view: Statement[View]) -> NotAnalysed | None:
    """Return why an unknown view is not analysed where nothing but the header tells; None for a known one."""
    return NotAnalysed(_DOUBTS[view.doubt]) if view.doubt else None


def _by_codes_and_position(header: Header) -> Statement[View] | None:
    coded = {view for term in header.view_codes for view in _views_of(term)}
    alone = {View.LATERAL} if words(header.view_position) == LATERAL_ALONE else set()
    views = coded | alone | set(POSITION_TERMS.find(header.view_position))
    if not views and not is_placeholder(header.view_position):
        return Statement(View.UNKNOWN, "view position", Doubt.UNRECOGNISED)
    return _stated("view position", views)


def _views_of(term: CodedTerm) -> tuple[View, ...]:
    known = VIEW_CODES.get(term.value)
    return (known,) if known else POSITION_TERMS.find(term.meaning)


def _by_orientation(header: Header) -> Statement[View] | None:
    view = orientation.view_of(header.patient_orientation)
    return None if view is None else Statement(view, "patient orientation")


def _by_text(source: str, text: str) -> Statement[View] | None:
    return _stated(source, DESCRIPTION_TERMS.find(text))


def _stated(source: str, views: Collection[View]) -> Statement[View] | None:
    """Judge the views that one source names; frontal and lateral together, as of a two-view study, name none."""
    if not views:
        return None
    if View.UNKNOWN in views or {View.FRONTAL, View.LATERAL} <= set(views):
        return Statement(View.UNKNOWN, source, Doubt.CONTRADICTION)
    return Statement(next(view for view in _MOST_SPECIFIC_FIRST if view in views), source)

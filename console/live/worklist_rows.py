"""The rows of a worklist's page, for the page itself and for what follows while it is open."""

from typing import Any

from sqlalchemy.orm import Session

from console.worklist_view import WorklistView
from tracking.lists import worklist
from tracking.lists.study_condition import COUNTED_UP_TO
from tracking.lists.worklist import Worklist

ROWS = 25


def find_rows(read: Session, view: WorklistView) -> Worklist:
    """Return the studies of a page."""
    return worklist.find_studies(read, view.which, order=view.order, after=view.after, before=view.before, limit=ROWS)


def row_values(studies: Worklist, view: WorklistView) -> dict[str, Any]:
    """Return what the template ``worklist_rows.html`` needs."""
    return {
        "studies": studies, "most": COUNTED_UP_TO, "first_page": view.is_first_page,
        "filtered": view.is_filtered, "newer": view.address(before=studies.newer) if studies.newer else "",
        "older": view.address(after=studies.older) if studies.older else "",
    }  # fmt: skip

"""The values that a column holds, found with one look at its index a value instead of a walk over all rows."""

from typing import Any

from sqlalchemy import Select, func, select

MOST = 100
"""Values, at most."""


def distinct_values(column: Any) -> Select[Any]:
    """Choose the different values of a column that an index begins with, in order; empty ones are left out."""
    values = select(func.min(column).label("value")).cte(f"distinct_{column.key}", recursive=True)
    later = select(func.min(column)).where(column > values.c.value).correlate(values).scalar_subquery()
    values = values.union_all(select(later).select_from(values).where(values.c.value.is_not(None)))
    return select(values.c.value).where(values.c.value > "").limit(MOST)

"""Spans of time that pages are about: days and hours of this place's clock."""

from datetime import UTC, date, datetime, timedelta

from tracking.lists.flow import Span

DAYS = (7, 14, 31)
"""What can be chosen; the first is the default."""


def days_back(count: int, today: date) -> list[date]:
    """Return the last days with today, the oldest first."""
    return [today - timedelta(days=back) for back in range(count - 1, -1, -1)]


def span_of_day(day: date) -> Span:
    """Return a day from midnight to midnight, which on two days of a year is no 24 hours."""
    return Span(_midnight(day), _midnight(day + timedelta(days=1)))


def hours_of(day: date) -> list[Span]:
    """Return the hours of a day: 23 or 25 on days when the clock is changed."""
    whole = span_of_day(day)
    hours, start = [], whole.start
    while start < whole.end:
        hours.append(Span(start, start + timedelta(hours=1)))
        start += timedelta(hours=1)
    return hours


def _midnight(day: date) -> datetime:
    """Return when a day begins here, with the offset of that moment; arithmetic on it is in elapsed time."""
    return datetime(day.year, day.month, day.day).astimezone().astimezone(UTC)

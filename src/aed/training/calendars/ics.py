"""Training sessions as iCalendar (RFC 5545)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aed.database.geometry import position_of
from aed.training.calendars.queries import Event

if TYPE_CHECKING:
    from icalendar import Event as CalendarEvent

PRODUCT: Final = "-//AED and first-aid network//training//ZH"
REFRESH_INTERVAL: Final = timedelta(hours=1)
"""Refresh interval suggested to calendar programs; most refresh less often."""


def calendar_of(
    events: Sequence[Event], *, calendar_id: int, title: str, public_address: str, today: date
) -> bytes:
    """Return the calendar as bytes, with each session in its local time and the time zones it needs.

    A session has the same UID in every calendar of this network. Cancelled sessions stay, marked as
    cancelled, because some calendar programs keep events that disappear.
    """
    from icalendar import Calendar, vDuration  # imported here because it needs 3 MB of memory

    home = urlsplit(public_address).hostname or "localhost"
    calendar = Calendar.new(
        prodid=PRODUCT, uid=f"calendar-{calendar_id}@{home}", name=title, refresh_interval=REFRESH_INTERVAL
    )
    calendar.add("X-WR-CALNAME", title)
    calendar.add("X-PUBLISHED-TTL", vDuration(REFRESH_INTERVAL))
    for each in events:
        calendar.add_component(_event(each, home))
    days = [each.training.starts_at.date() for each in events] or [today]
    calendar.add_missing_timezones(
        first_date=min(days) - timedelta(days=366), last_date=max(days) + timedelta(days=366)
    )
    return bytes(calendar.to_ical())


def _event(each: Event, home: str) -> CalendarEvent:
    from icalendar import Event as CalendarEvent
    from icalendar.enums import STATUS

    training = each.training
    zone = ZoneInfo(training.time_zone)
    name = f"{training.course.name_zh} {training.course.name_en}"
    status = STATUS.CONFIRMED if each.is_certain else STATUS.TENTATIVE
    said = [f"{training.place_zh}\n{training.place_en}"]
    if not each.is_certain:
        name = f"（候补 waiting）{name}"
        said.append("尚未确认名额。No place is confirmed yet.")
    if each.is_cancelled:
        name = f"（已取消 cancelled）{name}"
        status = STATUS.CANCELLED
        said.append(f"已取消 Cancelled: {training.cancelled_why}")
    event = CalendarEvent.new(
        uid=f"training-session-{training.id}@{home}",
        summary=name,
        start=training.starts_at.astimezone(zone),
        end=training.ends_at.astimezone(zone),
        location=f"{training.place_zh} {training.place_en}",
        description="\n".join(said),
        status=status,
        sequence=each.sequence,
        stamp=each.changed_at.astimezone(UTC),
        last_modified=each.changed_at.astimezone(UTC),
    )
    here = position_of(training.position)
    event.add("GEO", (here.lat, here.lon))
    return event


def changed_last(events: Sequence[Event], otherwise: datetime) -> datetime:
    """Return when the calendar last changed, truncated to seconds; `otherwise` if it has no events."""
    return max((each.changed_at for each in events), default=otherwise).replace(microsecond=0)

"""Notices to administrators, 90, 60 and 30 days before a holiday calendar ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.regions import Region
from aed.hours.holiday_calendar import CalendarEnd, ending_words, notice_threshold
from aed.notifications import outbox
from aed.notifications.outbox import Notice
from aed.registry.holidays.models import HolidayCalendarNotice
from aed.registry.holidays.queries import calendar_ends
from aed.settings import Reminding
from aed.upkeep.reminders.recipients import RecipientFinder
from aed.upkeep.reminders.rules import hours_of, is_by_day

log = structlog.get_logger("aed")
_WANTED_FOR: Final = timedelta(days=14)


def notify_of_ending_calendars(session: Session, *, at: datetime, by: Reminding) -> int:
    """Enqueue a notice to the administrators concerned for each threshold passed; return how many people.

    1. Take the calendars that regions use. Days are counted in the time zone of the first such region.
    2. Skip thresholds already notified. If several have passed, use only the latest.
    3. Do nothing at night; the next run finds the same thresholds.
    4. Notify once each administrator of the network and of the regions that use the calendar. If nobody can
       be reached, log it and retry on the next run.
    """
    who: RecipientFinder | None = None
    told = 0
    for end in _ends(session, at):
        threshold = notice_threshold(end.days_left)
        key = (end.name, end.ends_on, threshold)
        if threshold is None or session.get(HolidayCalendarNotice, key) is not None:
            continue
        regions = _regions(session, end.name)
        if not is_by_day(at, regions[0].time_zone, hours_of(by, own=None)):
            continue
        who = who or RecipientFinder(session)
        people = {
            person_id: region.country
            for region in reversed(regions)
            for person_id in who.administrators(region.id)
        }
        text_en, text_zh = ending_words(end)
        notice = Notice(
            text_en,
            text_zh,
            f"Holiday calendar {end.name} ends on {end.ends_on}",
            f"节假日日历{end.name}将于{end.ends_on}到期",
            expires_at=at + _WANTED_FOR,
        )
        reached = sum(
            bool(outbox.notify_person(session, person_id, notice, at, country=country))
            for person_id, country in sorted(people.items())
        )
        if reached == 0:
            log.warning(
                "nobody can be told that a holiday calendar ends", calendar=end.name, ends=end.ends_on
            )
            continue
        session.add(
            HolidayCalendarNotice(
                calendar_name=end.name, ends_on=end.ends_on, threshold_days=threshold, notified_at=at
            )
        )
        session.flush()
        told += reached
    return told


def _ends(session: Session, at: datetime) -> list[CalendarEnd]:
    """Return when each calendar ends, counting days in the time zone of the first region that uses it."""
    ends = []
    for end in calendar_ends(session, today=at.date()):
        today = at.astimezone(ZoneInfo(_regions(session, end.name)[0].time_zone)).date()
        ends += [each for each in calendar_ends(session, today=today) if each.name == end.name]
    return ends


def _regions(session: Session, calendar_name: str) -> list[Region]:
    """Return the regions that use a calendar, in order of id.

    visibility: for the scheduler.
    """
    statement = select(Region).where(Region.holiday_calendar == calendar_name).order_by(Region.id)
    return list(session.scalars(statement))

"""Finding what somebody is to be reminded of, deciding who, and telling them once a day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import exists, insert, literal, select, update
from sqlalchemy.orm import Session

from aed.db import UtcMoment
from aed.settings import Reminding
from aed.upkeep.models import Reminder
from aed.upkeep.queries import reminders as queries
from aed.upkeep.rules.due import Due
from aed.upkeep.rules.reminders import (
    EXPIRING,
    threshold,
    thresholds_before,
)


def find_expiring(session: Session, *, at: datetime, by: Reminding) -> int:
    """There is a reminder for each threshold that was passed of what expires; how many are new.

    1. For each time zone, whose day it is: one INSERT of what one SELECT finds and no row is there for.
    2. What was replaced, or reminded of again since, is closed.
    visibility: for the timetable.
    """
    new = 0
    for zone in queries.time_zones(session):
        today = at.astimezone(ZoneInfo(zone)).date()
        found = queries.expiring(today=today, zone=zone, by=by).subquery()
        device_id, matter, due_on, days = found.c
        is_there = exists().where(
            Reminder.device_id == device_id,
            Reminder.matter == matter,
            Reminder.due_on == due_on,
            Reminder.threshold_days == days,
        )
        rows = select(device_id, matter, due_on, days, literal(at, UtcMoment())).where(~is_there)
        columns = ["device_id", "matter", "due_on", "threshold_days", "found_at"]
        written = session.execute(insert(Reminder).from_select(columns, rows).returning(Reminder.id))
        new += len(written.all())
    is_open = (Reminder.closed_at.is_(None), Reminder.matter.in_(sorted(EXPIRING)))
    over = ~queries.stands(Reminder) | queries.has_a_later_one(Reminder)
    session.execute(
        update(Reminder)
        .where(*is_open, over)
        .values(closed_at=at)
        .execution_options(synchronize_session=False)
    )
    return new


def find_due(
    session: Session,
    dues: Collection[Due],
    *,
    device_ids: Sequence[int],
    today: date,
    at: datetime,
    by: Reminding,
) -> int:
    """The same for checks, services and returns: `dues` are all that are due of these devices now."""
    known = queries.reminders_of(session, device_ids)
    there = {(each.device_id, each.matter, each.due_on, each.threshold_days) for each in known}
    standing = {(due.device_id, due.matter, due.due_on) for due in dues}
    new = []
    for due in dues:
        days = threshold(
            (due.due_on - today).days, thresholds_before(due.matter, by), again_days=by.again_days
        )
        if days is not None and (due.device_id, due.matter, due.due_on, days) not in there:
            new.append((due.device_id, due.matter, due.due_on, days))
    again = {(device_id, matter) for device_id, matter, *_ in new}
    over = [
        each
        for each in known
        if each.closed_at is None
        and (
            (each.device_id, each.matter, each.due_on) not in standing
            or (each.device_id, each.matter) in again
        )
    ]
    for each in over:
        each.closed_at = at
    session.add_all(
        Reminder(device_id=device_id, matter=matter, due_on=due_on, threshold_days=days, found_at=at)
        for device_id, matter, due_on, days in new
    )
    session.flush()
    return len(new)

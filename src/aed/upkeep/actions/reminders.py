"""Finding what somebody is to be reminded of, deciding who, and telling them once a day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.database.bulk import insert_many
from aed.settings import Reminding
from aed.upkeep.models import Reminder
from aed.upkeep.queries import reminders as queries
from aed.upkeep.rules.due import Due
from aed.upkeep.rules.reminders import threshold, thresholds_before


def find_expiring(session: Session, *, at: datetime, by: Reminding) -> int:
    """There is a reminder for each threshold that was passed of what expires; how many are new.

    1. For each time zone, whose day it is: one SELECT finds all for which no row is there. It stands alone,
       since PostgreSQL puts no second process to a SELECT within an INSERT.
    2. What it found is written, all at once.
    visibility: for the timetable.
    """
    zones = queries.time_zones(session)
    new = 0
    for zone in zones:
        today = at.astimezone(ZoneInfo(zone)).date()
        found = session.execute(
            queries.expiring(today=today, zone=zone if len(zones) > 1 else None, by=by)
        ).all()
        columns = ("device_id", "matter", "due_on", "threshold_days")
        insert_many(
            session, Reminder, [dict(zip(columns, row, strict=True)) | {"found_at": at} for row in found]
        )
        new += len(found)
    return new


def close_what_is_over(session: Session, *, at: datetime) -> None:
    """Nobody hears any longer of what was done since, nor twice of what was found again.

    visibility: for the timetable.
    """
    for is_over in (queries.was_found_again(Reminder), queries.is_done(Reminder)):
        session.execute(
            update(Reminder)
            .where(Reminder.closed_at.is_(None), is_over)
            .values(closed_at=at)
            .execution_options(synchronize_session=False)
        )


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

"""Asking people nearby to confirm what has faded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.settings import Trust
from aed.upkeep.actions.errands import ask_of_fact
from aed.upkeep.queries import nearby
from aed.upkeep.queries.errands import lapse

DEVICES: Final = 2_000
"""So many are looked at in a run; each run goes on where the one before ended, round the register."""
FROM_HOUR, UNTIL_HOUR = 9, 20
"""Nobody is asked by night."""


def ask_nearby(session: Session, *, at: datetime, numbers: Trust, public_url: str, run: int) -> int:
    """How many were asked. Of each device one thing, of each person one in `ask_every_days`, by day.

    `run` counts the runs: which part of the register is looked at follows from it.
    visibility: for the timetable.
    """
    lapse(session, at=at)
    highest = nearby.highest_device_id(session)
    if not highest or not numbers.ask_at_once:
        return 0
    parts = -(-highest // DEVICES)
    found = nearby.fading(session, after_id=run % parts * DEVICES, limit=DEVICES, at=at, numbers=numbers)
    by_day = [each for each in found if _is_by_day(each.device.region.time_zone, at)]
    people = nearby.people_near(session, [each.device for each in by_day], at=at, numbers=numbers)
    since = at - timedelta(days=numbers.ask_every_days)
    busy = nearby.asked_lately(session, {one for some in people.values() for one in some}, since=since)
    asked = 0
    for each in by_day:
        for person_id in people[each.device.id]:
            if asked >= numbers.ask_at_once:
                return asked
            person = session.get(Person, person_id) if person_id not in busy else None
            if person is None:
                continue
            busy.add(person_id)
            if ask_of_fact(
                session,
                person,
                each.device,
                each.fact,
                at=at,
                lapses_at=at + timedelta(days=numbers.ask_lapses_days),
                public_url=public_url,
            ):
                asked += 1
                break
    return asked


def _is_by_day(time_zone: str, at: datetime) -> bool:
    return FROM_HOUR <= at.astimezone(ZoneInfo(time_zone)).hour < UNTIL_HOUR

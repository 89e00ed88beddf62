"""Deciding whom reminders are for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.database.bulk import insert_many
from aed.settings import Reminding
from aed.upkeep.models import Reminder, ReminderFor
from aed.upkeep.queries import who_hears as queries
from aed.upkeep.queries.who_hears import Said, Unaddressed, WhoHears
from aed.upkeep.rules.reminders import Answer, Level, level


@dataclass(frozen=True, slots=True)
class Addressed:
    reminders: int
    nobody: int
    """For so many there is nobody to tell: no keeper, manager or administrator with a number."""


def address(session: Session, who_hears: WhoHears, *, at: datetime, by: Reminding, most: int) -> Addressed:
    """It is decided whom the oldest reminders are for.

    1. The level follows from the threshold, and holds all below it.
    2. Whoever says "done" keeps it from climbing for a week; "not me" sends it one level up at once.
    3. Whoever said "later" is left alone for a week, but for the last day.
    4. Where a level has nobody, the next one hears.
    5. Nobody hears earlier than they want to.
    """
    found = queries.unaddressed(session, limit=most)
    ids = [each.id for each in found]
    said = queries.said_before(session, found)
    known = queries.addressed_already(session, ids)
    week = at - timedelta(days=by.again_days)
    nobody = 0
    rows = []
    for each in found:
        people = _chosen(who_hears, each, said.get((each.device_id, each.matter), []), week=week, by=by)
        nobody += people is None
        rows += [
            {
                "reminder_id": each.id,
                "person_id": person_id,
                "level": at_level,
                "message_id": None,
                "answer": None,
                "answered_at": None,
            }
            for person_id, at_level in (people or {}).items()
            if (each.id, person_id) not in known
        ]
    insert_many(session, ReminderFor, rows)
    session.execute(
        update(Reminder)
        .where(Reminder.id.in_(ids))
        .values(addressed_at=at)
        .execution_options(synchronize_session=False)
    )
    return Addressed(len(found), nobody)


_ORDER: Final = [Level.KEEPER, Level.MANAGER, Level.REGION]


def _chosen(
    who_hears: WhoHears, each: Unaddressed, said: Sequence[Said], *, week: datetime, by: Reminding
) -> dict[int, Level] | None:
    """Each person with the level at which; None where there is nobody to tell."""
    not_they = {one.person_id for one in said if one.answer is Answer.NOT_ME and one.due_on == each.due_on}
    lately = [one for one in said if one.answered_at > week]
    later = {one.person_id for one in lately if one.answer is Answer.LATER and each.threshold_days != 0}
    highest = _ORDER.index(level(each.threshold_days, by))
    if not_they:
        highest = max(highest, _ORDER.index(Level.MANAGER))
    if any(one.answer is Answer.DONE for one in lately):
        highest = 0
    people: dict[int, Level] = {}
    for height, at_level in enumerate(_ORDER):
        if height > highest and people:
            break
        for person_id in who_hears.at(
            at_level, keeper_id=each.keeper_id, estate_id=each.estate_id, region_id=each.region_id
        ):
            if person_id not in not_they:
                people.setdefault(person_id, at_level)
    if not people:
        return None
    return {
        person_id: at_level
        for person_id, at_level in people.items()
        if person_id not in later and not who_hears.is_too_early(person_id, each.threshold_days)
    }

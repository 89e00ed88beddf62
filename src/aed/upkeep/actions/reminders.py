"""Finding what somebody is to be reminded of, deciding who, and telling them once a day."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import exists, insert, literal, select, update
from sqlalchemy.orm import Session

from aed.accounts.models import Person
from aed.accounts.rules.message import Message
from aed.accounts.rules.person import Language
from aed.accounts.rules.phone import e164
from aed.bulk import insert_many
from aed.db import UtcMoment
from aed.errors import InvalidInput, NotFound
from aed.notifications import actions as outbox
from aed.settings import Reminding
from aed.upkeep.models import Reminder, ReminderFor, ReminderMessage
from aed.upkeep.queries import reminders as queries
from aed.upkeep.queries.reminders import Said, Told, Unaddressed, WhoHears
from aed.upkeep.rules.due import Due
from aed.upkeep.rules.number import short_number
from aed.upkeep.rules.reminders import (
    EXPIRING,
    Answer,
    Level,
    Reminded,
    is_by_day,
    level,
    threshold,
    thresholds_before,
    words,
)

log = structlog.get_logger("aed")
_WANTED_FOR: Final = timedelta(days=3)
"""A reminder that was not delivered by then is not worth a message: the next threshold makes a new one."""


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


# --- who ------------------------------------------------------------------------------------------------


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
    return {person_id: at_level for person_id, at_level in people.items() if person_id not in later}


# --- telling them ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letters:
    """What came of telling some people."""

    put: int
    """So many messages are in the outbox."""
    not_now: int
    """So many people hear later: it is night there, or they have heard today."""
    unreachable: int
    """So many have a number that no message can reach."""
    last_id: int
    """The last person that was looked at; 0 when there is none left."""


def tell(
    session: Session, *, after_id: int, at: datetime, by: Reminding, public_url: str | None, most: int
) -> Letters:
    """Some people are told all that waits for them: one message each, at most one a day, not at night."""
    waiting = queries.people_to_tell(session, after_id=after_id, limit=most)
    if not waiting:
        return Letters(0, 0, 0, 0)
    days = {each.id: at.astimezone(ZoneInfo(each.time_zone)).date() for each in waiting}
    told = queries.told_on(session, list(days.items()))
    now = {
        each.id: each
        for each in waiting
        if is_by_day(at, each.time_zone, by) and (each.id, days[each.id]) not in told
    }
    lines = queries.waiting_for(session, list(now))
    people = session.scalars(select(Person).where(Person.id.in_(list(now))).order_by(Person.id)).all()
    put = 0
    for person in people:
        put += _tell_one(
            session,
            person,
            lines[person.id],
            country=now[person.id].country,
            day=days[person.id],
            at=at,
            public_url=public_url,
        )
    return Letters(put, len(waiting) - len(now), len(people) - put, waiting[-1].id)


def _tell_one(
    session: Session,
    person: Person,
    lines: Sequence[Told],
    *,
    country: str,
    day: date,
    at: datetime,
    public_url: str | None,
) -> bool:
    try:
        phone = e164(person.phone or "", country=country)
    except InvalidInput as error:
        log.warning("cannot be reminded", person=person.id, why=error.detail)
        return False
    key = secrets.token_urlsafe(16)
    message = ReminderMessage(person_id=person.id, day=day, put_at=at, key_hash=_hash(key))
    session.add(message)
    session.flush()
    session.execute(
        update(ReminderFor)
        .where(
            ReminderFor.person_id == person.id,
            ReminderFor.reminder_id.in_([each.reminder_id for each in lines]),
        )
        .values(message_id=message.id)
        .execution_options(synchronize_session=False)
    )
    en, zh = words(
        [
            Reminded(
                short_number(each.device_id),
                each.where_en,
                each.where_zh,
                each.matter,
                each.due_on,
                (each.due_on - day).days,
            )
            for each in lines
        ],
        link=f"{public_url}/reminders/{key}" if public_url is not None else None,
    )
    outbox.put(
        session,
        Message(
            person_id=person.id,
            channel=person.channel,
            phone=phone,
            language=Language(person.language),
            text_en=en,
            text_zh=zh,
            expires_at=at + _WANTED_FOR,
        ),
        at,
    )
    return True


# --- what comes back ------------------------------------------------------------------------------------


def answer(session: Session, key: str, *, reminder_id: int, said: Answer, at: datetime) -> ReminderFor:
    """The answer is kept; a later one takes its place. "Not me" goes one level up with the next run.

    Raises NotFound for a key that no message has, and for a reminder that it does not tell of.
    visibility: whoever has the key was sent it.
    """
    message = queries.message_by_key(session, _hash(key))
    told = session.get(ReminderFor, (reminder_id, message.person_id), with_for_update=True)
    if told is None or told.message_id != message.id:
        raise NotFound(f"Your message tells of no reminder {reminder_id}.", field="reminder_id")
    told.answer, told.answered_at = said, at
    if said is Answer.NOT_ME:
        reminder = session.get_one(Reminder, reminder_id)
        if reminder.closed_at is None:
            reminder.addressed_at = None
    session.flush()
    return told


def told_by(session: Session, key: str) -> list[Told]:
    """What the message with that key told of. Raises NotFound for a key that none has."""
    return queries.told_in(session, queries.message_by_key(session, _hash(key)))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

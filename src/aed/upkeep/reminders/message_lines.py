"""What people are to be told, and what they were: reads of the timetable, and of whoever answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.orm import Session

from aed.accounts.regions import Region
from aed.errors import NotFound
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.models import Reminder, ReminderFor, ReminderMessage, ReminderPreference
from aed.upkeep.reminders.queries import time_zone
from aed.upkeep.reminders.rules import Hours
from aed.upkeep.rules import Answer, Matter


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody for whom something waits, and where."""

    id: int
    time_zone: str
    country: str
    hours: Hours | None
    """The own hours in which to be written to."""


def people_to_tell(session: Session, *, after_id: int, limit: int) -> Sequence[Waiting]:
    """In order of id; of whoever keeps devices in two time zones, one of them holds.

    visibility: for messages to these very people.
    """
    rows = session.execute(
        select(
            ReminderFor.person_id,
            func.min(time_zone()),
            func.min(Region.country),
            func.min(ReminderPreference.from_hour),
            func.min(ReminderPreference.until_hour),
        )
        .join(Reminder, Reminder.id == ReminderFor.reminder_id)
        .join(Device, Device.id == Reminder.device_id)
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .outerjoin(ReminderPreference, ReminderPreference.person_id == ReminderFor.person_id)
        .where(
            ReminderFor.message_id.is_(None),
            Reminder.closed_at.is_(None),
            ReminderFor.person_id > after_id,
        )
        .group_by(ReminderFor.person_id)
        .order_by(ReminderFor.person_id)
        .limit(limit)
    )
    return [
        Waiting(
            id_,
            zone,
            country,
            Hours(since, until) if since is not None and until is not None else None,
        )
        for id_, zone, country, since, until in rows
    ]


def told_on(session: Session, days: Collection[tuple[int, date]]) -> set[tuple[int, date]]:
    """Those (person, day) on which there was a message already.

    visibility: for messages to these very people.
    """
    rows = session.execute(
        select(ReminderMessage.person_id, ReminderMessage.day).where(
            tuple_(ReminderMessage.person_id, ReminderMessage.day).in_(list(days))
        )
    )
    return {(person_id, day) for person_id, day in rows}


@dataclass(frozen=True, slots=True)
class Told:
    """One reminder that a person hears or heard, with the device in words."""

    reminder_id: int
    person_id: int
    device_id: int
    matter: Matter
    due_on: date
    where_en: str
    where_zh: str
    answer: Answer | None
    is_open: bool


def waiting_for(session: Session, person_ids: Sequence[int]) -> dict[int, list[Told]]:
    """By person what is to be told and has not been.

    visibility: for messages to these very people.
    """
    found: dict[int, list[Told]] = defaultdict(list)
    waits = and_(ReminderFor.message_id.is_(None), Reminder.closed_at.is_(None))
    for told in _told(session, and_(ReminderFor.person_id.in_(person_ids), waits)):
        found[told.person_id].append(told)
    return found


@dataclass(frozen=True, slots=True)
class Open:
    """Of so many devices the person was told, or is, that a matter is due on a day; nothing has been done."""

    matter: Matter
    due_on: date
    devices: int


def open_for(session: Session, person_ids: Sequence[int]) -> dict[int, list[Open]]:
    """By person all that is open, whether told before or yet to be told.

    visibility: for messages to these very people.
    """
    found: dict[int, list[Open]] = defaultdict(list)
    rows = session.execute(
        select(
            ReminderFor.person_id,
            Reminder.matter,
            Reminder.due_on,
            func.count(Reminder.device_id.distinct()),
        )
        .join(Reminder, Reminder.id == ReminderFor.reminder_id)
        .where(ReminderFor.person_id.in_(person_ids), Reminder.closed_at.is_(None))
        .group_by(ReminderFor.person_id, Reminder.matter, Reminder.due_on)
    )
    for person_id, matter, due_on, devices in rows:
        found[person_id].append(Open(matter, due_on, devices))
    return found


def message_by_key(session: Session, key_hash: str, *, since: datetime) -> ReminderMessage:
    """Raises NotFound for a key that no message of that time has.

    visibility: whoever has the key was sent it.
    """
    found = session.scalar(
        select(ReminderMessage).where(ReminderMessage.key_hash == key_hash, ReminderMessage.put_at > since)
    )
    if found is None:
        raise NotFound("There is no such reminder: use the link of your latest message.", field="key")
    return found


def told_in(session: Session, message: ReminderMessage) -> list[Told]:
    """What the message told of, the longest overdue first.

    visibility: whoever has the key was sent it.
    """
    told = _told(session, ReminderFor.message_id == message.id)
    return sorted(told, key=lambda each: (each.due_on, each.device_id, each.matter))


def _told(session: Session, asked: ColumnElement[bool]) -> list[Told]:
    """visibility: the caller says of whom."""
    rows = session.execute(
        select(
            Reminder.id,
            ReminderFor.person_id,
            Reminder.device_id,
            Reminder.matter,
            Reminder.due_on,
            Estate.name_en,
            Estate.name_zh,
            Device.place_en,
            Device.place_zh,
            ReminderFor.answer,
            Reminder.closed_at.is_(None),
        )
        .join(Reminder, Reminder.id == ReminderFor.reminder_id)
        .join(Device, Device.id == Reminder.device_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(asked)
    )
    return [
        Told(
            reminder_id,
            person_id,
            device_id,
            matter,
            due_on,
            " ".join(each for each in (estate_en, place_en or place_zh) if each),
            " ".join(each for each in (estate_zh, place_zh or place_en) if each),
            answer,
            is_open,
        )
        for (
            reminder_id,
            person_id,
            device_id,
            matter,
            due_on,
            estate_en,
            estate_zh,
            place_en,
            place_zh,
            answer,
            is_open,
        ) in rows
    ]


def preference_of(session: Session, person_id: int) -> ReminderPreference | None:
    """visibility: one's own, or the operator's."""
    return session.get(ReminderPreference, person_id)

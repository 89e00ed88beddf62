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
from aed.upkeep.models import Reminder, ReminderMessage, ReminderPreference, ReminderRecipient
from aed.upkeep.reminders.queries import time_zone
from aed.upkeep.reminders.rules import Hours
from aed.upkeep.rules import DueKind, ReminderAnswer


@dataclass(frozen=True, slots=True)
class WaitingPerson:
    """Somebody for whom something waits, and where."""

    id: int
    time_zone: str
    country: str
    hours: Hours | None
    """The own hours in which to be written to."""


def people_waiting(session: Session, *, after_id: int, limit: int) -> Sequence[WaitingPerson]:
    """In order of id; of whoever keeps devices in two time zones, one of them holds.

    visibility: for messages to these very people.
    """
    rows = session.execute(
        select(
            ReminderRecipient.person_id,
            func.min(time_zone()),
            func.min(Region.country),
            func.min(ReminderPreference.from_hour),
            func.min(ReminderPreference.until_hour),
        )
        .join(Reminder, Reminder.id == ReminderRecipient.reminder_id)
        .join(Device, Device.id == Reminder.device_id)
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .outerjoin(ReminderPreference, ReminderPreference.person_id == ReminderRecipient.person_id)
        .where(
            ReminderRecipient.message_id.is_(None),
            Reminder.closed_at.is_(None),
            ReminderRecipient.person_id > after_id,
        )
        .group_by(ReminderRecipient.person_id)
        .order_by(ReminderRecipient.person_id)
        .limit(limit)
    )
    return [
        WaitingPerson(
            id_,
            zone,
            country,
            Hours(since, until) if since is not None and until is not None else None,
        )
        for id_, zone, country, since, until in rows
    ]


def notified_on(session: Session, days: Collection[tuple[int, date]]) -> set[tuple[int, date]]:
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
class ReminderLine:
    """One reminder that a person hears or heard, with the device in words."""

    reminder_id: int
    person_id: int
    device_id: int
    matter: DueKind
    due_on: date
    where_en: str
    where_zh: str
    answer: ReminderAnswer | None
    is_open: bool


def lines_waiting_for(session: Session, person_ids: Sequence[int]) -> dict[int, list[ReminderLine]]:
    """By person what is to be told and has not been.

    visibility: for messages to these very people.
    """
    found: dict[int, list[ReminderLine]] = defaultdict(list)
    waits = and_(ReminderRecipient.message_id.is_(None), Reminder.closed_at.is_(None))
    for told in _lines(session, and_(ReminderRecipient.person_id.in_(person_ids), waits)):
        found[told.person_id].append(told)
    return found


@dataclass(frozen=True, slots=True)
class OpenCount:
    """Of so many devices the person was told, or is, that a matter is due on a day; nothing has been done."""

    matter: DueKind
    due_on: date
    devices: int


def count_open_for(session: Session, person_ids: Sequence[int]) -> dict[int, list[OpenCount]]:
    """By person all that is open, whether told before or yet to be told.

    visibility: for messages to these very people.
    """
    found: dict[int, list[OpenCount]] = defaultdict(list)
    rows = session.execute(
        select(
            ReminderRecipient.person_id,
            Reminder.matter,
            Reminder.due_on,
            func.count(Reminder.device_id.distinct()),
        )
        .join(Reminder, Reminder.id == ReminderRecipient.reminder_id)
        .where(ReminderRecipient.person_id.in_(person_ids), Reminder.closed_at.is_(None))
        .group_by(ReminderRecipient.person_id, Reminder.matter, Reminder.due_on)
    )
    for person_id, matter, due_on, devices in rows:
        found[person_id].append(OpenCount(matter, due_on, devices))
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


def lines_of_message(session: Session, message: ReminderMessage) -> list[ReminderLine]:
    """What the message told of, the longest overdue first.

    visibility: whoever has the key was sent it.
    """
    told = _lines(session, ReminderRecipient.message_id == message.id)
    return sorted(told, key=lambda each: (each.due_on, each.device_id, each.matter))


def _lines(session: Session, asked: ColumnElement[bool]) -> list[ReminderLine]:
    """visibility: the caller says of whom."""
    rows = session.execute(
        select(
            Reminder.id,
            ReminderRecipient.person_id,
            Reminder.device_id,
            Reminder.matter,
            Reminder.due_on,
            Estate.name_en,
            Estate.name_zh,
            Device.place_en,
            Device.place_zh,
            ReminderRecipient.answer,
            Reminder.closed_at.is_(None),
        )
        .join(Reminder, Reminder.id == ReminderRecipient.reminder_id)
        .join(Device, Device.id == Reminder.device_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(asked)
    )
    return [
        ReminderLine(
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

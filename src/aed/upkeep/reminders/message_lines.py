"""Queries for reminder messages: people waiting, their lines, and messages already sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.errors import NotFound
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.reminders.models import Reminder, ReminderMessage, ReminderPreference, ReminderRecipient
from aed.upkeep.reminders.queries import time_zone
from aed.upkeep.reminders.rules import Hours
from aed.upkeep.rules import DueKind, ReminderAnswer


@dataclass(frozen=True, slots=True)
class WaitingPerson:
    """A person with reminders waiting to be sent, with the time zone and country of their devices."""

    id: int
    time_zone: str
    country: str
    hours: Hours | None
    """The person's own hours for notifications; None means the network's."""


def people_waiting(session: Session, *, after_id: int, limit: int) -> Sequence[WaitingPerson]:
    """Return the next people with waiting reminders, in order of id.

    For a person with devices in several time zones, one of the zones is used.

    visibility: for messages to the recipients themselves.
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
    """Return those of these (person, day) pairs for which a message already exists.

    visibility: for messages to the recipients themselves.
    """
    rows = session.execute(
        select(ReminderMessage.person_id, ReminderMessage.day).where(
            tuple_(ReminderMessage.person_id, ReminderMessage.day).in_(list(days))
        )
    )
    return {(person_id, day) for person_id, day in rows}


@dataclass(frozen=True, slots=True)
class ReminderLine:
    """A reminder line: the device, what is due, and the person's answer."""

    reminder_id: int
    person_id: int
    device_id: int
    due_kind: DueKind
    due_on: date
    where_en: str
    where_zh: str
    answer: ReminderAnswer | None
    is_open: bool


def lines_waiting_for(session: Session, person_ids: Sequence[int]) -> dict[int, list[ReminderLine]]:
    """Return the reminders not yet sent to each person, by person id.

    visibility: for messages to the recipients themselves.
    """
    found: dict[int, list[ReminderLine]] = defaultdict(list)
    waits = and_(ReminderRecipient.message_id.is_(None), Reminder.closed_at.is_(None))
    for line in _lines(session, and_(ReminderRecipient.person_id.in_(person_ids), waits)):
        found[line.person_id].append(line)
    return found


@dataclass(frozen=True, slots=True)
class OpenCount:
    """The number of devices with open reminders for a person about one kind of task and due date."""

    due_kind: DueKind
    due_on: date
    devices: int


def count_open_for(session: Session, person_ids: Sequence[int]) -> dict[int, list[OpenCount]]:
    """Return the open reminders of each person, sent or not, counted by kind of task and date.

    visibility: for messages to the recipients themselves.
    """
    found: dict[int, list[OpenCount]] = defaultdict(list)
    rows = session.execute(
        select(
            ReminderRecipient.person_id,
            Reminder.due_kind,
            Reminder.due_on,
            func.count(Reminder.device_id.distinct()),
        )
        .join(Reminder, Reminder.id == ReminderRecipient.reminder_id)
        .where(ReminderRecipient.person_id.in_(person_ids), Reminder.closed_at.is_(None))
        .group_by(ReminderRecipient.person_id, Reminder.due_kind, Reminder.due_on)
    )
    for person_id, due_kind, due_on, devices in rows:
        found[person_id].append(OpenCount(due_kind, due_on, devices))
    return found


def message_by_key(session: Session, key_hash: str, *, since: datetime) -> ReminderMessage:
    """Return the message with that key, sent after `since`. Raises NotFound.

    visibility: for the holder of the key, to whom the message was sent.
    """
    found = session.scalar(
        select(ReminderMessage).where(ReminderMessage.key_hash == key_hash, ReminderMessage.put_at > since)
    )
    if found is None:
        raise NotFound("This link is not valid: use the link in your latest message.", field="key")
    return found


def lines_of_message(session: Session, message: ReminderMessage) -> list[ReminderLine]:
    """Return the reminders listed in a message, the longest overdue first.

    visibility: for the holder of the key, to whom the message was sent.
    """
    lines = _lines(session, ReminderRecipient.message_id == message.id)
    return sorted(lines, key=lambda each: (each.due_on, each.device_id, each.due_kind))


def _lines(session: Session, asked: ColumnElement[bool]) -> list[ReminderLine]:
    """Return the reminder lines that match a predicate.

    visibility: the caller restricts the recipients.
    """
    rows = session.execute(
        select(
            Reminder.id,
            ReminderRecipient.person_id,
            Reminder.device_id,
            Reminder.due_kind,
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
            due_kind,
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
            due_kind,
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
    """Return a person's reminder preferences, or None.

    visibility: for the person themselves, or the operator.
    """
    return session.get(ReminderPreference, person_id)

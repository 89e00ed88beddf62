"""Whom to remind of what: reads of the timetable, and of whoever answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Session, aliased

from aed.accounts.models import Person, Region, RoleGrant
from aed.accounts.rules.roles import HeldRole
from aed.db import days_between
from aed.errors import NotFound
from aed.registry.models import Consumable, Device, Estate
from aed.registry.rules.device import ConsumableState, DeviceState
from aed.settings import Reminding
from aed.upkeep.models import Reminder, ReminderFor, ReminderMessage
from aed.upkeep.rules.due import Matter
from aed.upkeep.rules.reminders import EXPIRING, Answer, Level, thresholds_before


def is_kept() -> ColumnElement[bool]:
    """Devices that somebody answers for; other people's lists have upkeep of their own.

    visibility: it is a predicate itself.
    """
    return and_(
        Device.state != DeviceState.WITHDRAWN,
        or_(Device.keeper_id.is_not(None), Device.estate_id.is_not(None)),
    )


def time_zone() -> ColumnElement[str]:
    """A device's, in a statement that joins its region and its estate."""
    return func.coalesce(Estate.time_zone, Region.time_zone)


def time_zones(session: Session) -> Sequence[str]:
    """All that devices lie in."""
    zones = select(Region.time_zone).union(select(Estate.time_zone).where(Estate.time_zone.is_not(None)))
    return sorted(zone for zone in session.scalars(zones) if zone is not None)


def expiring(*, today: date, zone: str, by: Reminding) -> Select[int, Matter, date, int]:
    """(device, matter, last day, threshold) of what is fitted in a time zone and near its last day.

    The set-based part of the sweep: one statement, on an index of what is fitted by day.
    visibility: for the timetable, which tells those who keep the devices.
    """
    before = thresholds_before(Matter.PADS, by)
    first = (
        select(Consumable.device_id, Consumable.kind, func.min(Consumable.expires_on).label("due_on"))
        .join(Device, Device.id == Consumable.device_id)
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(
            Consumable.state == ConsumableState.FITTED,
            Consumable.expires_on <= today + timedelta(days=before[0]),
            is_kept(),
            time_zone() == zone,
        )
        .group_by(Consumable.device_id, Consumable.kind)
        .subquery()
    )
    over = days_between(literal(today), first.c.due_on)
    again = by.again_days
    threshold = case(
        (first.c.due_on < today, -(over // again * again)),
        *((first.c.due_on <= today + timedelta(days=days), days) for days in sorted(before)),
    )
    return select(first.c.device_id, first.c.kind, first.c.due_on, threshold)


def stands(reminder: type[Reminder]) -> ColumnElement[bool]:
    """Whether what expires is still fitted, on a device that is still kept.

    visibility: it is a predicate itself.
    """
    return exists().where(
        Consumable.device_id == reminder.device_id,
        Consumable.state == ConsumableState.FITTED,
        Consumable.kind == reminder.matter,
        Consumable.expires_on == reminder.due_on,
        Device.id == reminder.device_id,
        is_kept(),
    )


def has_a_later_one(reminder: type[Reminder]) -> ColumnElement[bool]:
    """Whether the matter has been reminded of again since.

    visibility: it is a predicate itself.
    """
    later = aliased(Reminder)  # visibility: a part of the predicate
    return exists().where(
        later.device_id == reminder.device_id, later.matter == reminder.matter, later.id > reminder.id
    )


def kept_devices(session: Session, *, after_id: int, limit: int) -> Sequence[int]:
    """Ids, in order.

    visibility: for the timetable, which tells those who keep the devices.
    """
    return session.scalars(
        select(Device.id).where(is_kept(), Device.id > after_id).order_by(Device.id).limit(limit)
    ).all()


def reminders_of(session: Session, device_ids: Sequence[int]) -> Sequence[Reminder]:
    """All of what does not expire: checks, services, returns.

    visibility: for the timetable.
    """
    return session.scalars(
        select(Reminder).where(Reminder.device_id.in_(device_ids), Reminder.matter.not_in(sorted(EXPIRING)))
    ).all()


# --- whom to tell ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unaddressed:
    """A reminder of which it has not been decided whom it is for."""

    id: int
    device_id: int
    matter: Matter
    due_on: date
    threshold_days: int
    keeper_id: int | None
    """Where the keeper has a number."""
    estate_id: int | None
    region_id: int


def unaddressed(session: Session, *, limit: int) -> list[Unaddressed]:
    """The oldest first.

    visibility: for the timetable, which tells those who keep the devices.
    """
    rows = session.execute(
        select(
            Reminder.id,
            Reminder.device_id,
            Reminder.matter,
            Reminder.due_on,
            Reminder.threshold_days,
            Person.id,
            Device.estate_id,
            Device.region_id,
        )
        .join(Device, Device.id == Reminder.device_id)
        .outerjoin(Person, and_(Person.id == Device.keeper_id, Person.phone.is_not(None)))
        .where(Reminder.closed_at.is_(None), Reminder.addressed_at.is_(None))
        .order_by(Reminder.id)
        .limit(limit)
    )
    return [Unaddressed(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody answered to an earlier reminder of the same matter."""

    person_id: int
    answer: Answer
    answered_at: datetime
    due_on: date


def said_before(session: Session, found: Collection[Unaddressed]) -> dict[tuple[int, Matter], list[Said]]:
    """By device and matter what was answered until now.

    visibility: for the timetable.
    """
    rows = session.execute(
        select(
            Reminder.device_id,
            Reminder.matter,
            ReminderFor.person_id,
            ReminderFor.answer,
            ReminderFor.answered_at,
            Reminder.due_on,
        )
        .join(Reminder, Reminder.id == ReminderFor.reminder_id)
        .where(
            Reminder.device_id.in_(sorted({each.device_id for each in found})),
            ReminderFor.answer.is_not(None),
        )
    )
    said: dict[tuple[int, Matter], list[Said]] = defaultdict(list)
    for device_id, matter, person_id, answer, answered_at, due_on in rows:
        if answer is not None and answered_at is not None:
            said[device_id, matter].append(Said(person_id, answer, answered_at, due_on))
    return said


def addressed_already(session: Session, reminder_ids: Sequence[int]) -> set[tuple[int, int]]:
    """(reminder, person) of whom these are for already.

    visibility: for the timetable.
    """
    rows = session.execute(
        select(ReminderFor.reminder_id, ReminderFor.person_id).where(
            ReminderFor.reminder_id.in_(reminder_ids)
        )
    )
    return {(reminder_id, person_id) for reminder_id, person_id in rows}


class WhoHears:
    """Who is to be told of devices, by level. Read once for all of them: two statements."""

    def __init__(self, session: Session) -> None:
        """visibility: for messages to these very people; whoever has no number can be told nothing."""
        self._above = {
            region.id: region.parent_id for region in session.execute(select(Region.id, Region.parent_id))
        }
        self._on_estates: dict[tuple[HeldRole, int], list[int]] = defaultdict(list)
        self._on_regions: dict[tuple[HeldRole, int], list[int]] = defaultdict(list)
        self._everywhere: list[int] = []
        grants = session.execute(
            select(RoleGrant.person_id, RoleGrant.role, RoleGrant.estate_id, RoleGrant.region_id)
            .join(Person, Person.id == RoleGrant.person_id)
            .where(
                RoleGrant.revoked_at.is_(None),
                RoleGrant.role.in_([HeldRole.KEEPER, HeldRole.ESTATE_MANAGER, HeldRole.ADMINISTRATOR]),
                Person.phone.is_not(None),
            )
            .order_by(RoleGrant.id)
        )
        for grant in grants:
            if grant.estate_id is not None:
                self._on_estates[grant.role, grant.estate_id].append(grant.person_id)
            elif grant.region_id is not None:
                self._on_regions[grant.role, grant.region_id].append(grant.person_id)
            else:
                self._everywhere.append(grant.person_id)

    def at(
        self, level: Level, *, keeper_id: int | None, estate_id: int | None, region_id: int
    ) -> Sequence[int]:
        """Of the level itself, in order; nobody where nobody holds the role."""
        match level:
            case Level.KEEPER:
                if keeper_id is not None:
                    return [keeper_id]
                return self._on_estates[HeldRole.KEEPER, estate_id] if estate_id is not None else []
            case Level.MANAGER:
                if estate_id is not None and (theirs := self._on_estates[HeldRole.ESTATE_MANAGER, estate_id]):
                    return theirs
                return self._nearest(HeldRole.ESTATE_MANAGER, region_id)
            case Level.REGION:
                return self._nearest(HeldRole.ADMINISTRATOR, region_id) or self._everywhere

    def _nearest(self, role: HeldRole, region_id: int) -> Sequence[int]:
        here: int | None = region_id
        while here is not None:
            if theirs := self._on_regions[role, here]:
                return theirs
            here = self._above.get(here)
        return []


# --- what to tell them ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody for whom something waits, and where."""

    id: int
    time_zone: str
    country: str


def people_to_tell(session: Session, *, after_id: int, limit: int) -> Sequence[Waiting]:
    """In order of id; of whoever keeps devices in two time zones, one of them holds.

    visibility: for messages to these very people.
    """
    rows = session.execute(
        select(ReminderFor.person_id, func.min(time_zone()), func.min(Region.country))
        .join(Reminder, Reminder.id == ReminderFor.reminder_id)
        .join(Device, Device.id == Reminder.device_id)
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(
            ReminderFor.message_id.is_(None),
            Reminder.closed_at.is_(None),
            ReminderFor.person_id > after_id,
        )
        .group_by(ReminderFor.person_id)
        .order_by(ReminderFor.person_id)
        .limit(limit)
    )
    return [Waiting(*row) for row in rows]


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


def message_by_key(session: Session, key_hash: str) -> ReminderMessage:
    """Raises NotFound for a key that no message has.

    visibility: whoever has the key was sent it.
    """
    found = session.scalar(select(ReminderMessage).where(ReminderMessage.key_hash == key_hash))
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

"""Whom to remind of what: reads of the timetable, and of whoever answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
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
)
from sqlalchemy.orm import Session, aliased

from aed.accounts.permissions import Viewer
from aed.accounts.regions import Region
from aed.accounts.visibility import managed_by, visible_to
from aed.database.types import days_between
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import ConsumableState, DeviceState
from aed.registry.estates.models import Estate
from aed.settings import Reminding
from aed.upkeep.device_filter import DeviceFilter, filter_conditions
from aed.upkeep.models import Check, Quarantine, Reminder, ReminderMessage, ReminderRecipient
from aed.upkeep.reminders.rules import EXPIRING, thresholds_before
from aed.upkeep.rules import CheckKind, DueKind, ReminderAnswer, ReminderLevel


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
    """All that devices lie in.

    visibility: for the timetable; the names of time zones.
    """
    zones = select(Region.time_zone).union(select(Estate.time_zone).where(Estate.time_zone.is_not(None)))
    return sorted(zone for zone in session.scalars(zones) if zone is not None)


def lies_in(zone: str) -> ColumnElement[bool]:
    """Whether a device's day is that of the time zone; on its own row alone, so that many are found at once.

    visibility: it is a predicate itself.
    """
    regions = select(Region.id).where(Region.time_zone == zone)
    estates = select(Estate.id).where(Estate.time_zone == zone)
    elsewhere = select(Estate.id).where(Estate.time_zone != zone)
    by_region = and_(
        Device.region_id.in_(regions), or_(Device.estate_id.is_(None), Device.estate_id.not_in(elsewhere))
    )
    return or_(by_region, Device.estate_id.in_(estates))


def expiring(*, today: date, zone: str | None, by: Reminding) -> Select[int, DueKind, date, int]:
    """(device, matter, last day, threshold) of what is fitted in a time zone (None: in all), is near its last
    day, and was not reminded of at that threshold.

    The set-based part of the sweep, one statement:
    1. The first of each kind to expire, from an index of what is fitted by day.
    2. Without those that have their reminder: all but a few, on any night but the first.
    3. Of the few, those whose device is kept, and lies there.
    visibility: for the timetable, which tells those who keep the devices.
    """
    before = thresholds_before(DueKind.PADS, by)
    first = (
        select(Consumable.device_id, Consumable.kind, func.min(Consumable.expires_on).label("due_on"))
        .where(
            Consumable.state == ConsumableState.FITTED,
            Consumable.expires_on <= today + timedelta(days=before[0]),
        )
        .group_by(Consumable.device_id, Consumable.kind)
        .subquery()
    )
    over = days_between(literal(today), first.c.due_on)
    again = by.repeat_days
    threshold = case(
        (first.c.due_on < today, -(over // again * again)),
        *((first.c.due_on <= today + timedelta(days=days), days) for days in sorted(before)),
    )
    is_there = exists().where(
        Reminder.device_id == first.c.device_id,
        Reminder.matter == first.c.kind,
        Reminder.due_on == first.c.due_on,
        Reminder.threshold_days == threshold,
    )
    new = (
        select(first.c.device_id, first.c.kind, first.c.due_on, threshold.label("threshold_days"))
        .where(~is_there)
        .cte("new")
        .prefix_with("MATERIALIZED")  # else PostgreSQL, which expects many, reads every device
    )
    device = select(Device.id).where(Device.id == new.c.device_id, is_kept())
    if zone is not None:
        device = device.where(lies_in(zone))
    return select(new.c.device_id, new.c.kind, new.c.due_on, new.c.threshold_days).where(
        device.scalar_subquery().is_not(None)
    )


def is_done(reminder: type[Reminder]) -> ColumnElement[bool]:
    """Whether nobody need be told any longer: what expires was replaced, it was checked or serviced since, it
    is back, or the device is kept by nobody.

    visibility: it is a predicate itself.
    """
    is_fitted = exists().where(
        Consumable.device_id == reminder.device_id,
        Consumable.state == ConsumableState.FITTED,
        Consumable.kind == reminder.matter,
        Consumable.expires_on == reminder.due_on,
    )
    since = and_(Check.device_id == reminder.device_id, Check.answered_at > reminder.found_at)
    is_out = exists().where(Quarantine.device_id == reminder.device_id, Quarantine.lifted_at.is_(None))
    return or_(
        and_(reminder.matter.in_(sorted(EXPIRING)), ~is_fitted),
        and_(reminder.matter == DueKind.CHECK, exists().where(since, Check.kind != CheckKind.GLANCE)),
        and_(reminder.matter == DueKind.SERVICE, exists().where(since, Check.kind == CheckKind.SERVICE)),
        and_(reminder.matter == DueKind.RETURN, ~is_out),
        ~exists().where(Device.id == reminder.device_id, is_kept()),
    )


def was_found_again(reminder: type[Reminder]) -> ColumnElement[bool]:
    """Whether a later reminder of the matter waits to be told in its place.

    visibility: it is a predicate itself.
    """
    later = aliased(Reminder)  # visibility: a part of the predicate
    return exists().where(
        later.closed_at.is_(None),
        later.addressed_at.is_(None),
        later.device_id == reminder.device_id,
        later.matter == reminder.matter,
        later.id > reminder.id,
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


# --- for whoever looks after them -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecipientState:
    """One who was told, or is to be."""

    level: ReminderLevel
    told_at: datetime | None
    answer: ReminderAnswer | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReminderWithRecipients:
    """A reminder with the device in words, and what came of it."""

    reminder: Reminder
    estate: Estate | None
    device: Device
    told: list[RecipientState]


def reminders(
    session: Session,
    viewer: Viewer,
    whose: DeviceFilter,
    *,
    limit: int,
    after_id: int = 0,
    also_closed: bool = False,
) -> list[ReminderWithRecipients]:
    """A page in order of id, of devices whose upkeep is the viewer's business. Two statements."""
    asked = (
        select(Reminder, Estate, Device)
        .join(Device, Device.id == Reminder.device_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(visible_to(viewer, Device), managed_by(viewer, Device), *filter_conditions(session, whose))
        .where(Reminder.id > after_id)
        .order_by(Reminder.id)
        .limit(limit)
    )
    if not also_closed:
        asked = asked.where(Reminder.closed_at.is_(None))
    rows = session.execute(asked).all()
    told = _recipients_of(session, [reminder.id for reminder, _, _ in rows])
    return [
        ReminderWithRecipients(reminder, estate, device, told[reminder.id])
        for reminder, estate, device in rows
    ]


def _recipients_of(session: Session, reminder_ids: Sequence[int]) -> dict[int, list[RecipientState]]:
    """visibility: of reminders that the viewer may read; by level, without names."""
    found: dict[int, list[RecipientState]] = defaultdict(list)
    rows = session.execute(
        select(
            ReminderRecipient.reminder_id,
            ReminderRecipient.level,
            ReminderMessage.put_at,
            ReminderRecipient.answer,
            ReminderRecipient.answered_at,
        )
        .outerjoin(ReminderMessage, ReminderMessage.id == ReminderRecipient.message_id)
        .where(ReminderRecipient.reminder_id.in_(reminder_ids))
        .order_by(ReminderRecipient.reminder_id, ReminderRecipient.person_id)
    )
    for reminder_id, level, told_at, answer, answered_at in rows:
        found[reminder_id].append(RecipientState(level, told_at, answer, answered_at))
    return found

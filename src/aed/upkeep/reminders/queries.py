"""Queries that find what to remind people of, and list reminders."""

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
from aed.accounts.regions.models import Region
from aed.accounts.visibility import managed_by, visible_to
from aed.database.types import days_between
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import ConsumableState, DeviceState
from aed.registry.estates.models import Estate
from aed.settings.upkeep import Reminding
from aed.upkeep.device_filter import DeviceFilter, filter_conditions
from aed.upkeep.models import Check, Quarantine
from aed.upkeep.reminders.models import Reminder, ReminderMessage, ReminderRecipient
from aed.upkeep.reminders.rules import EXPIRING, thresholds_before
from aed.upkeep.rules import CheckKind, DueKind, ReminderAnswer, ReminderLevel


def is_kept() -> ColumnElement[bool]:
    """Return the predicate for active devices that have a keeper or an estate.

    Devices known only from other organisations' lists are maintained there.

    visibility: a predicate, returns no rows.
    """
    return and_(
        Device.state != DeviceState.WITHDRAWN,
        or_(Device.keeper_id.is_not(None), Device.estate_id.is_not(None)),
    )


def time_zone() -> ColumnElement[str]:
    """Return the time zone of a device, for a statement that joins its region and estate."""
    return func.coalesce(Estate.time_zone, Region.time_zone)


def time_zones(session: Session) -> Sequence[str]:
    """Return the names of all time zones in use, sorted.

    visibility: for the scheduler; only names of time zones.
    """
    zones = select(Region.time_zone).union(select(Estate.time_zone).where(Estate.time_zone.is_not(None)))
    return sorted(zone for zone in session.scalars(zones) if zone is not None)


def lies_in(zone: str) -> ColumnElement[bool]:
    """Return the predicate for devices in a time zone.

    It needs only the device's own row and small subqueries, so it is fast for many devices.

    visibility: a predicate, returns no rows.
    """
    regions = select(Region.id).where(Region.time_zone == zone)
    estates = select(Estate.id).where(Estate.time_zone == zone)
    elsewhere = select(Estate.id).where(Estate.time_zone != zone)
    by_region = and_(
        Device.region_id.in_(regions), or_(Device.estate_id.is_(None), Device.estate_id.not_in(elsewhere))
    )
    return or_(by_region, Device.estate_id.in_(estates))


def expiring(*, today: date, zone: str | None, by: Reminding) -> Select[int, DueKind, date, int]:
    """Return a statement for (device, kind, last day, threshold) of expiring items without a reminder.

    Limited to one time zone, unless `zone` is None. Works on sets, in one statement:

    1. Find the first consumable of each kind to expire, using the index of fitted consumables by date.
    2. Drop those that already have a reminder for the threshold: nearly all, except on the first night.
    3. Keep those whose device is kept and lies in the time zone.

    visibility: for the scheduler, which notifies the people who keep the devices.
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
        Reminder.due_kind == first.c.kind,
        Reminder.due_on == first.c.due_on,
        Reminder.threshold_days == threshold,
    )
    new = (
        select(first.c.device_id, first.c.kind, first.c.due_on, threshold.label("threshold_days"))
        .where(~is_there)
        .cte("new")
        .prefix_with("MATERIALIZED")  # otherwise PostgreSQL overestimates the rows and scans all devices
    )
    device = select(Device.id).where(Device.id == new.c.device_id, is_kept())
    if zone is not None:
        device = device.where(lies_in(zone))
    return select(new.c.device_id, new.c.kind, new.c.due_on, new.c.threshold_days).where(
        device.scalar_subquery().is_not(None)
    )


def is_done(reminder: type[Reminder]) -> ColumnElement[bool]:
    """Return the predicate for reminders that are no longer needed.

    True if the consumable was replaced, the device was checked or serviced since, it returned to service, or
    nobody keeps it any longer.

    visibility: a predicate, returns no rows.
    """
    is_fitted = exists().where(
        Consumable.device_id == reminder.device_id,
        Consumable.state == ConsumableState.FITTED,
        Consumable.kind == reminder.due_kind,
        Consumable.expires_on == reminder.due_on,
    )
    since = and_(Check.device_id == reminder.device_id, Check.answered_at > reminder.found_at)
    is_out = exists().where(Quarantine.device_id == reminder.device_id, Quarantine.lifted_at.is_(None))
    return or_(
        and_(reminder.due_kind.in_(sorted(EXPIRING)), ~is_fitted),
        and_(reminder.due_kind == DueKind.CHECK, exists().where(since, Check.kind != CheckKind.GLANCE)),
        and_(reminder.due_kind == DueKind.SERVICE, exists().where(since, Check.kind == CheckKind.SERVICE)),
        and_(reminder.due_kind == DueKind.RETURN, ~is_out),
        ~exists().where(Device.id == reminder.device_id, is_kept()),
    )


def is_superseded(reminder: type[Reminder]) -> ColumnElement[bool]:
    """Return the predicate for reminders superseded by a newer, unaddressed one about the same kind of task.

    visibility: a predicate, returns no rows.
    """
    later = aliased(Reminder)  # visibility: part of the predicate
    return exists().where(
        later.closed_at.is_(None),
        later.addressed_at.is_(None),
        later.device_id == reminder.device_id,
        later.due_kind == reminder.due_kind,
        later.id > reminder.id,
    )


def kept_devices(session: Session, *, after_id: int, limit: int) -> Sequence[int]:
    """Return a page of the ids of kept devices, in order.

    visibility: for the scheduler, which notifies the people who keep the devices.
    """
    return session.scalars(
        select(Device.id).where(is_kept(), Device.id > after_id).order_by(Device.id).limit(limit)
    ).all()


def reminders_of(session: Session, device_ids: Sequence[int]) -> Sequence[Reminder]:
    """Return the reminders of these devices about checks, services and returns.

    visibility: for the scheduler.
    """
    return session.scalars(
        select(Reminder).where(Reminder.device_id.in_(device_ids), Reminder.due_kind.not_in(sorted(EXPIRING)))
    ).all()


# --- listing --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecipientState:
    """The level of a recipient, when they were notified, and their answer. Contains no name."""

    level: ReminderLevel
    notified_at: datetime | None
    answer: ReminderAnswer | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReminderWithRecipients:
    """A reminder with its device, estate and recipients."""

    reminder: Reminder
    estate: Estate | None
    device: Device
    recipients: list[RecipientState]


def reminders(
    session: Session,
    viewer: Viewer,
    device_filter: DeviceFilter,
    *,
    limit: int,
    after_id: int = 0,
    also_closed: bool = False,
) -> list[ReminderWithRecipients]:
    """Return a page of reminders in order of id, of devices that the viewer keeps, manages or dispatches.

    Runs two statements.
    """
    asked = (
        select(Reminder, Estate, Device)
        .join(Device, Device.id == Reminder.device_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(
            visible_to(viewer, Device), managed_by(viewer, Device), *filter_conditions(session, device_filter)
        )
        .where(Reminder.id > after_id)
        .order_by(Reminder.id)
        .limit(limit)
    )
    if not also_closed:
        asked = asked.where(Reminder.closed_at.is_(None))
    rows = session.execute(asked).all()
    recipients = _recipients_of(session, [reminder.id for reminder, _, _ in rows])
    return [
        ReminderWithRecipients(reminder, estate, device, recipients[reminder.id])
        for reminder, estate, device in rows
    ]


def _recipients_of(session: Session, reminder_ids: Sequence[int]) -> dict[int, list[RecipientState]]:
    """Return the recipients of each reminder, by reminder id.

    visibility: of reminders that the viewer may read; by level, without names.
    """
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
    for reminder_id, level, notified_at, answer, answered_at in rows:
        found[reminder_id].append(RecipientState(level, notified_at, answer, answered_at))
    return found

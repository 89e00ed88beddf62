"""What the desk of an estate shows to those who manage the estate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, String, and_, cast, exists, not_, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from aed.accounts.free_text import one_line
from aed.accounts.people.models import Person
from aed.accounts.people.queries import account_by_phone, people_by_phone
from aed.accounts.permissions import Role, Viewer, require_estate_manager
from aed.accounts.role_grants import RoleGrant, holds_role
from aed.accounts.roles import queries as role_queries
from aed.accounts.visibility import managed_by, visible_to
from aed.database.compiled import inline_text
from aed.errors import InvalidInput, NotFound
from aed.hours.holiday_calendar import HolidayDates
from aed.registry.devices import queries as device_queries
from aed.registry.devices.dispatchable import devices_out_on_call
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import REQUIRED_CONSUMABLES, ConsumableState, DeviceState
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.registry.holidays.queries import holiday_calendar
from aed.registry.storeys import floor_of_storey
from aed.upkeep.checks.queries import last_approvals, names_of_people
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import Duties, duties_of, is_due_before
from aed.upkeep.due.rules import CALENDAR_KINDS
from aed.upkeep.faults.queries import DeviceReadiness, readiness_of_devices, reports
from aed.upkeep.models import CheckApproval, FaultReport
from aed.upkeep.signals.models import DeviceMonitor
from aed.upkeep.signals.queries import monitors_of

MAX_ESTATES: Final = 500
MAX_REPORTS: Final = 50
MAX_PEOPLE: Final = 500
SOON_DAYS: Final = 30
WEEK_DAYS: Final = 7
MANAGERS: Final = frozenset({Role.ESTATE_MANAGER, Role.ADMINISTRATOR})


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """What the desk counts, filters and sorts a device by."""

    id: int
    is_ready: bool
    is_overdue: bool
    is_due: bool
    """Whether something is due within SOON_DAYS, or overdue."""
    expires_soon: bool
    """Whether its pads or battery expire within WEEK_DAYS."""


@dataclass(frozen=True, slots=True)
class ReadDevices:
    """Devices of an estate in a given order, what is due on them, and the holidays there."""

    devices: list[DeviceReadiness]
    duties: Duties
    calendar: HolidayDates | None
    monitors: dict[int, DeviceMonitor]
    """By device id."""
    approvals: dict[int, CheckApproval]
    """Of the last check that needs a second person, by device id."""
    second_people: dict[int, str]
    """The names of those who approved them, by person id."""


def managed_estates(session: Session, viewer: Viewer) -> list[Estate]:
    """Return the estates that the viewer manages, by id; at most MAX_ESTATES of those that they may see."""
    return [
        each for each in estate_queries.estates(session, viewer, limit=MAX_ESTATES) if manages(viewer, each)
    ]


def manages(viewer: Viewer, estate: Estate) -> bool:
    """Return True if the viewer manages the estate."""
    return viewer.is_administrator or viewer.has_role(
        MANAGERS, estate_id=estate.id, region_id=estate.region_id
    )


def managed_estate(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """Return the estate. Raises NotFound if the viewer may not see it, NotAllowed if another manages it."""
    estate = estate_queries.estate(session, viewer, estate_id)
    require_estate_manager(viewer, estate.id, region_id=estate.region_id)
    return estate


def time_zone_of_estate(estate: Estate) -> str:
    """Return the time zone of an estate that was read with its region."""
    return estate.time_zone or estate.region.time_zone


def listed_devices(session: Session, viewer: Viewer, estate: Estate, *, at: datetime) -> list[ListedDevice]:
    """Return all devices of an estate: those that are not ready first, then what is overdue, then due.

    Runs two statements, however many devices there are.
    """
    zone = time_zone_of_estate(estate)
    today = at.astimezone(ZoneInfo(zone)).date()

    def expires(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(
            Consumable.device_id == Device.id,
            Consumable.state == inline_text(ConsumableState.FITTED),
            Consumable.kind.in_([inline_text(kind) for kind in REQUIRED_CONSUMABLES]),
            *conditions,
        )

    def due_before(day: date) -> ColumnElement[bool]:
        return is_due_before(session, day, estate_id=estate.id, time_zone=zone, today=today)

    has_expired = expires(Consumable.expires_on < today)
    within_a_week = expires(
        Consumable.expires_on >= today, Consumable.expires_on <= today + timedelta(days=WEEK_DAYS)
    )
    rows = session.execute(
        select(
            Device.id,
            and_(
                Device.state == inline_text(DeviceState.IN_SERVICE),
                not_(has_expired),
                Device.id.not_in(devices_out_on_call()),
            ),
            due_before(today),
            due_before(today + timedelta(days=SOON_DAYS + 1)),
            and_(within_a_week, not_(has_expired)),
        ).where(*_of_estate(viewer, estate))
    )
    found = [ListedDevice(*row) for row in rows]
    found.sort(key=lambda each: (each.is_ready, not each.is_overdue, not each.is_due, each.id))
    return found


def _of_estate(viewer: Viewer, estate: Estate) -> tuple[ColumnElement[bool], ...]:
    return (
        visible_to(viewer, Device),
        managed_by(viewer, Device),
        Device.estate_id == estate.id,
        Device.state != DeviceState.WITHDRAWN,
    )


def matching_devices(session: Session, viewer: Viewer, estate: Estate, words: str) -> set[int]:
    """Return the ids of the estate's devices with each of the words in a number, place, storey or keeper."""
    counts_as_one = estate.region.counts_ground_as_one
    conditions = []
    for word in one_line(words).split():
        ways = [
            Device.place_zh.icontains(word, autoescape=True),
            Device.place_en.icontains(word, autoescape=True),
            Person.name.icontains(word, autoescape=True),
            *(
                column.icontains(word, autoescape=True)
                for column in (Device.serial, Device.registration_number, Device.udi_di)
            ),
        ]
        if word[0].isascii() and word[0].isdecimal():
            ways.append(cast(Device.id, String).startswith(word.partition("-")[0], autoescape=True))
        with suppress(InvalidInput):  # the word is no storey
            ways.append(Device.floor == floor_of_storey(word, counts_ground_as_one=counts_as_one))
        conditions.append(or_(*ways))
    return set(
        session.scalars(
            select(Device.id)
            .outerjoin(Person, Person.id == Device.keeper_id)
            .where(*_of_estate(viewer, estate), *conditions)
        )
    )


def read_devices(
    session: Session,
    viewer: Viewer,
    estate: Estate,
    ids: Sequence[int],
    *,
    at: datetime,
    checked_within_days: int,
) -> ReadDevices:
    """Return devices of the estate in the order of their ids in `ids`, in a constant number of statements."""
    chosen = select(Device.id).where(*_of_estate(viewer, estate), Device.id.in_(ids))
    found = session.scalars(
        select(Device)
        .where(visible_to(viewer, Device), Device.id.in_(chosen))
        .options(
            joinedload(Device.region),
            joinedload(Device.estate),
            joinedload(Device.keeper),
            selectinload(Device.consumables),
        )
    ).all()
    order = {each: number for number, each in enumerate(ids)}
    devices = sorted(found, key=lambda each: order[each.id])
    approvals = last_approvals(session, [each.id for each in devices])
    return ReadDevices(
        devices=readiness_of_devices(session, devices, at=at, checked_within_days=checked_within_days),
        duties=duties_of(session, viewer, chosen, at=at, within_days=SOON_DAYS, due_kinds=CALENDAR_KINDS),
        calendar=calendar_of(session, devices[0]) if devices else None,
        monitors=monitors_of(session, [each.id for each in devices]),
        approvals=approvals,
        second_people=names_of_people(session, [each.decided_by_id for each in approvals.values()]),
    )


def device_of_estate(session: Session, viewer: Viewer, estate: Estate, device_id: int) -> Device:
    """Return a device of the estate. Raises NotFound."""
    device = device_queries.device(session, viewer, device_id)
    if device.estate_id != estate.id:
        raise NotFound("The estate has no such device.", field="device_id")
    return device


def open_reports(session: Session, viewer: Viewer, estate: Estate) -> Sequence[FaultReport]:
    """Return the open fault reports of the estate's devices, the oldest first."""
    return reports(session, viewer, DeviceFilter(estate_id=estate.id), limit=MAX_REPORTS)


def people_of(session: Session, viewer: Viewer, estate: Estate) -> list[tuple[RoleGrant, Person]]:
    """Return the roles held on the estate now, with their people, by role and name.

    visibility: people whose roles the viewer may see.
    """
    grants = role_queries.role_grants(session, viewer, limit=MAX_PEOPLE, estate_id=estate.id)
    ids = {each.person_id for each in grants}
    people = {each.id: each for each in session.scalars(select(Person).where(Person.id.in_(ids)))}
    pairs = [(each, people[each.person_id]) for each in grants]
    return sorted(pairs, key=lambda pair: (list(Role).index(pair[0].role), pair[1].name, pair[0].id))


def revoked_by_viewer(
    session: Session, viewer: Viewer, estate: Estate, *, since: datetime
) -> list[tuple[RoleGrant, Person]]:
    """Return the roles on the estate that the viewer ended lately and nobody gave again, the last first.

    visibility: what the viewer ended themselves.
    """
    rows = session.execute(
        select(RoleGrant, Person)
        .join(Person, Person.id == RoleGrant.person_id)
        .where(
            RoleGrant.estate_id == estate.id,
            RoleGrant.revoked_by == viewer.name,
            RoleGrant.revoked_at > since,
            Person.erased_at.is_(None),
            ~holds_role(RoleGrant.person_id, RoleGrant.role, RoleGrant.estate_id),
        )
        .order_by(RoleGrant.revoked_at.desc(), RoleGrant.id)
        .limit(MAX_PEOPLE)
    )
    return [(grant, person) for grant, person in rows]


def keepers_of(session: Session, viewer: Viewer, estate: Estate) -> list[Person]:
    """Return the people who keep the estate's devices or manage it, by name.

    visibility: people whose roles the viewer may see.
    """
    found = {
        person.id: person
        for grant, person in people_of(session, viewer, estate)
        if grant.role in (Role.KEEPER, Role.ESTATE_MANAGER)
    }
    return sorted(found.values(), key=lambda each: (each.name, each.id))


def person_with(session: Session, phone: str, *, country: str) -> Person | None:
    """Return the person with the account of this E.164 number, or else the oldest entry of a list with it.

    visibility: to compare with a name that a manager has typed; who it is stays unsaid.
    """
    held = account_by_phone(session, phone)
    if held is not None:
        return held[1]
    return next(iter(people_by_phone(session, phone, country=country)), None)


def calendar_of(session: Session, device: Device) -> HolidayDates | None:
    """Return the holidays where the device is, or None if its region has no calendar."""
    name = device.region.holiday_calendar
    return holiday_calendar(session, name) if name is not None else None

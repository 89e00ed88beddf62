"""What the desk of an estate shows to those who manage the estate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from aed.accounts.people.models import Person
from aed.accounts.people.queries import account_by_phone, people_by_phone
from aed.accounts.permissions import Role, Viewer, require_estate_manager
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles import queries as role_queries
from aed.accounts.visibility import managed_by, visible_to
from aed.hours.holiday_calendar import HolidayDates
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.registry.holidays.queries import holiday_calendar
from aed.settings import Settings
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import Duties, duties
from aed.upkeep.faults.queries import DeviceReadiness, readiness_of, reports
from aed.upkeep.models import FaultReport
from aed.upkeep.signals.models import DeviceMonitor
from aed.upkeep.signals.queries import monitors_of

MAX_ESTATES: Final = 500
MAX_REPORTS: Final = 50
MAX_PEOPLE: Final = 500
SOON_DAYS: Final = 30
MANAGERS: Final = frozenset({Role.ESTATE_MANAGER, Role.ADMINISTRATOR})


@dataclass(frozen=True, slots=True)
class Desk:
    """The devices of an estate, what is due on them, open fault reports, and the holidays there."""

    estate: Estate
    devices: list[DeviceReadiness]
    duties: Duties
    reports: Sequence[FaultReport]
    calendar: HolidayDates | None
    monitors: dict[int, DeviceMonitor]
    """By device id."""


def managed_estates(session: Session, viewer: Viewer) -> list[Estate]:
    """Return the estates that the viewer manages, by id; at most MAX_ESTATES of those that they may see."""
    return [
        each
        for each in estate_queries.estates(session, viewer, limit=MAX_ESTATES)
        if viewer.is_administrator or viewer.has_role(MANAGERS, estate_id=each.id, region_id=each.region_id)
    ]


def managed_estate(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """Return the estate. Raises NotFound if the viewer may not see it, NotAllowed if another manages it."""
    estate = estate_queries.estate(session, viewer, estate_id)
    require_estate_manager(viewer, estate.id, region_id=estate.region_id)
    return estate


def desk(session: Session, viewer: Viewer, estate_id: int, *, at: datetime, settings: Settings) -> Desk:
    """Return what the desk shows. Raises as `managed_estate` does."""
    estate = managed_estate(session, viewer, estate_id)
    of_estate = DeviceFilter(estate_id=estate.id)
    found = session.scalars(
        select(Device)
        .where(
            visible_to(viewer, Device),
            managed_by(viewer, Device),
            Device.estate_id == estate.id,
            Device.state != DeviceState.WITHDRAWN,
        )
        .options(
            joinedload(Device.region),
            joinedload(Device.estate),
            joinedload(Device.keeper),
            selectinload(Device.consumables),
        )
        .order_by(Device.id)
    ).all()
    within = settings.arrival.checked_within_days
    return Desk(
        estate=estate,
        devices=[readiness_of(session, each, at=at, checked_within_days=within) for each in found],
        duties=duties(session, viewer, of_estate, at=at, within_days=SOON_DAYS),
        reports=reports(session, viewer, of_estate, limit=MAX_REPORTS),
        calendar=calendar_of(session, found[0]) if found else None,
        monitors=monitors_of(session, [each.id for each in found]),
    )


def people_of(session: Session, viewer: Viewer, estate: Estate) -> list[tuple[RoleGrant, Person]]:
    """Return the roles held on the estate now, with their people, by role and name.

    visibility: people whose roles the viewer may see.
    """
    grants = role_queries.role_grants(session, viewer, limit=MAX_PEOPLE, estate_id=estate.id)
    ids = {each.person_id for each in grants}
    people = {each.id: each for each in session.scalars(select(Person).where(Person.id.in_(ids)))}
    pairs = [(each, people[each.person_id]) for each in grants]
    return sorted(pairs, key=lambda pair: (list(Role).index(pair[0].role), pair[1].name, pair[0].id))


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

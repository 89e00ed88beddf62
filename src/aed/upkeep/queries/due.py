"""What is due, derived from policies, checks and consumables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from aed.accounts.models import Region
from aed.accounts.rules import Viewer
from aed.bulk import among
from aed.registry.models import Consumable, Device, Estate
from aed.registry.rules.device import ConsumableKind, ConsumableState, DeviceState
from aed.sharing.queries import of_the_house, visible_to
from aed.upkeep.models import Check, Quarantine
from aed.upkeep.queries.policies import all_in_force
from aed.upkeep.rules.due import Due, Matter, next_by_days, next_by_months
from aed.upkeep.rules.policy import DEFAULT, CheckKind, Scope, closest

_CONSUMABLES = {
    ConsumableKind.PADS: Matter.PADS,
    ConsumableKind.CHILD_PADS: Matter.CHILD_PADS,
    ConsumableKind.BATTERY: Matter.BATTERY,
}


@dataclass(frozen=True, slots=True)
class DueDevice:
    """A device of which something is due, in words for a list."""

    id: int
    region: str
    estate_id: int | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    maker: str | None
    model: str | None
    serial: str | None
    keeper_id: int | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Duties:
    """What is due of which devices, the longest overdue first, and the date at each device."""

    dues: list[Due]
    devices: dict[int, DueDevice]
    today: dict[int, date]


def duties(
    session: Session,
    viewer: Viewer,
    *,
    at: datetime,
    within_days: int,
    estate_id: int | None = None,
    region: str | None = None,
    keeper_id: int | None = None,
    device_id: int | None = None,
) -> Duties:
    """All that is overdue, and due within so many days, of devices whose upkeep is the viewer's business.

    Six statements, whatever the number of devices. Dates are those at each device.
    """
    asked: list[ColumnElement[bool]] = [
        visible_to(viewer, Device),
        of_the_house(viewer, Device),
        Device.state != DeviceState.WITHDRAWN,
    ]
    if estate_id is not None:
        asked.append(Device.estate_id == estate_id)
    if region is not None:
        asked.append(Region.code == region)
    if keeper_id is not None:
        asked.append(Device.keeper_id == keeper_id)
    if device_id is not None:
        asked.append(Device.id == device_id)
    devices, today = _devices(session, asked, at)
    if not devices:
        return Duties([], {}, {})
    ids = list(devices)
    done = _last_done(session, devices, ids)
    policies = all_in_force(session)
    found: list[Due] = []
    for device in devices.values():
        terms = closest(policies, Scope(device.estate_id, device.maker, device.model)) or DEFAULT
        day, last = today[device.id], done[device.id]
        if terms.glance_days is not None:
            # Whoever checks or services a device has looked at it, too.
            seen = max((each for each in last.values()), default=None)
            found.append(Due(device.id, Matter.GLANCE, next_by_days(seen, terms.glance_days, since=day)))
        if terms.check_days is not None:
            checked = max(
                (last[kind] for kind in (CheckKind.CHECK, CheckKind.SERVICE) if kind in last), default=None
            )
            found.append(Due(device.id, Matter.CHECK, next_by_days(checked, terms.check_days, since=day)))
        if terms.service_months is not None:
            serviced = last.get(CheckKind.SERVICE)
            due_on = next_by_months(serviced, terms.service_months, since=day)
            found.append(Due(device.id, Matter.SERVICE, due_on))
    found += _expiring(session, ids)
    found += _to_be_brought_back(session, devices, ids)
    soon = [due for due in found if (due.due_on - today[due.device_id]).days <= within_days]
    soon.sort(key=lambda due: (due.due_on, due.device_id, due.matter))
    return Duties(soon, devices, today)


def _devices(
    session: Session, asked: Sequence[ColumnElement[bool]], at: datetime
) -> tuple[dict[int, DueDevice], dict[int, date]]:
    """visibility: the caller's conditions hold the viewer's predicates."""
    rows = session.execute(
        select(
            Device.id,
            Region.code,
            Device.estate_id,
            Estate.name_en,
            Estate.name_zh,
            Device.place_en,
            Device.place_zh,
            Device.maker,
            Device.model,
            Device.serial,
            Device.keeper_id,
            func.coalesce(Estate.time_zone, Region.time_zone),
        )
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(*asked)
        .order_by(Device.id)
    )
    devices = {row[0]: DueDevice(*row) for row in rows}
    days: dict[str, date] = {}
    for device in devices.values():
        if device.time_zone not in days:
            days[device.time_zone] = at.astimezone(ZoneInfo(device.time_zone)).date()
    return devices, {device.id: days[device.time_zone] for device in devices.values()}


def _last_done(
    session: Session, devices: dict[int, DueDevice], ids: Sequence[int]
) -> dict[int, dict[CheckKind, date]]:
    """By device and kind the last day of one that was told of; a check counts whether or not it passed, and
    so does the day that a list says it was checked on.

    visibility: of devices that the caller may see.
    """
    done: dict[int, dict[CheckKind, date]] = defaultdict(dict)
    told = session.execute(
        select(Check.device_id, Check.kind, func.max(Check.answered_at))
        .where(among(session, Check.device_id, ids))
        .group_by(Check.device_id, Check.kind)
    )
    for device_id, kind, answered_at in told:
        done[device_id][kind] = answered_at.astimezone(ZoneInfo(devices[device_id].time_zone)).date()
    listed = session.execute(
        select(Device.id, Device.last_checked_on).where(
            among(session, Device.id, ids), Device.last_checked_on.is_not(None)
        )
    )
    for device_id, day in listed:
        last = done[device_id].get(CheckKind.CHECK)
        done[device_id][CheckKind.CHECK] = day if last is None else max(last, day)
    return done


def _expiring(session: Session, ids: Sequence[int]) -> list[Due]:
    """What is fitted is to be replaced on the last day on which it may be used.

    visibility: of devices that the caller may see.
    """
    rows = session.execute(
        select(Consumable.device_id, Consumable.kind, func.min(Consumable.expires_on))
        .where(among(session, Consumable.device_id, ids), Consumable.state == ConsumableState.FITTED)
        .group_by(Consumable.device_id, Consumable.kind)
    )
    return [Due(device_id, _CONSUMABLES[kind], expires_on) for device_id, kind, expires_on in rows]


def _to_be_brought_back(
    session: Session, devices: dict[int, DueDevice], ids: Sequence[int]
) -> list[Due]:
    """A quarantined device has been due since it was quarantined.

    visibility: of devices that the caller may see.
    """
    rows = session.execute(
        select(Quarantine.device_id, func.min(Quarantine.since))
        .where(among(session, Quarantine.device_id, ids), Quarantine.lifted_at.is_(None))
        .group_by(Quarantine.device_id)
    )
    return [
        Due(device_id, Matter.RETURN, since.astimezone(ZoneInfo(devices[device_id].time_zone)).date())
        for device_id, since in rows
    ]

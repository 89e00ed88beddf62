"""Queries for quarantines, readiness and fault reports."""

from __future__ import annotations

import hmac
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, literal, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import managed_by, visible_to
from aed.database.encryption.keyring import KeyRing
from aed.errors import NotFound
from aed.registry.devices.dispatchable import devices_out_on_call, out_on_call
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import (
    REQUIRED_CONSUMABLES,
    WITH_BATTERY,
    WITH_PADS,
    ConsumableState,
    DeviceState,
    Readiness,
    readiness_on,
)
from aed.registry.estates.models import Estate
from aed.upkeep.device_filter import DeviceFilter, filter_conditions, managed_row, managed_rows
from aed.upkeep.models import Check, FaultReport, Quarantine
from aed.upkeep.rules import CheckKind, FaultKind, FaultReportState, QuarantineReason

_AT_ONCE = 1_000
_STATUS = "status of a report"
_SIGNATURE = 32
"""Hexadecimal digits of a signature: 128 bits."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def active_quarantines(session: Session, device_id: int) -> Sequence[Quarantine]:
    """Return the active quarantines of a device, the oldest first.

    visibility: of a device that the viewer may see; that it must not be used is public.
    """
    return session.scalars(
        select(Quarantine)
        .where(Quarantine.device_id == device_id, Quarantine.lifted_at.is_(None))
        .order_by(Quarantine.since, Quarantine.id)
    ).all()


def active_quarantines_of(session: Session, device_ids: Sequence[int]) -> dict[int, list[Quarantine]]:
    """Return the active quarantines of many devices, by device id, the oldest first.

    visibility: for actions on devices that the caller may quarantine.
    """
    found: dict[int, list[Quarantine]] = defaultdict(list)
    for some in batched(device_ids, _AT_ONCE):
        rows = session.scalars(
            select(Quarantine)
            .where(Quarantine.device_id.in_(some), Quarantine.lifted_at.is_(None))
            .order_by(Quarantine.since, Quarantine.id)
        )
        for each in rows:
            found[each.device_id].append(each)
    return found


def quarantines(
    session: Session,
    viewer: Viewer,
    device_filter: DeviceFilter,
    *,
    limit: int,
    after_id: int = 0,
    reason: QuarantineReason | None = None,
    also_lifted: bool = False,
) -> Sequence[Quarantine]:
    """Return a page of quarantines in order of id.

    Covers the devices that the viewer keeps, manages or dispatches.
    """
    statement = managed_rows(session, viewer, Quarantine, device_filter, limit=limit, after_id=after_id)
    if reason is not None:
        statement = statement.where(Quarantine.reason == reason)
    if not also_lifted:
        statement = statement.where(Quarantine.lifted_at.is_(None))
    return session.scalars(statement).all()


def pads_are_new_since(session: Session, device_id: int, since: datetime) -> bool:
    """Return whether a check or service answered at or after `since` replaced the pads.

    visibility: for a check of a device that the viewer may check.
    """
    rows = session.execute(
        select(Check.replaced).where(
            Check.device_id == device_id, Check.answered_at >= since, Check.kind != CheckKind.GLANCE
        )
    )
    return any(kind in replaced for (replaced,) in rows for kind in WITH_PADS)


@dataclass(frozen=True, slots=True)
class DeviceReadiness:
    """Whether a device can be offered now and the reasons if not."""

    device: Device
    readiness: Readiness
    active: Sequence[Quarantine]
    first_expiry: date | None
    is_expired: bool


def readiness_of(
    session: Session, device: Device, *, at: datetime, checked_within_days: int
) -> DeviceReadiness:
    """Return the readiness of a device at a moment, on its local date.

    The device was read, with its estate, region and consumables, by a viewer who may see it.
    """
    is_out = session.scalar(select(out_on_call(literal(device.id)))) is not None
    active = active_quarantines(session, device.id)
    return _readiness(device, active, is_out=is_out, at=at, checked_within_days=checked_within_days)


def readiness_of_devices(
    session: Session, devices: Sequence[Device], *, at: datetime, checked_within_days: int
) -> list[DeviceReadiness]:
    """Return the readiness of many devices, as `readiness_of` does, in a constant number of statements.

    visibility: of devices that the viewer may see.
    """
    ids = [each.id for each in devices]
    active, out = active_quarantines_of(session, ids), set(session.scalars(devices_out_on_call()))
    return [
        _readiness(
            each,
            active.get(each.id, []),
            is_out=each.id in out,
            at=at,
            checked_within_days=checked_within_days,
        )
        for each in devices
    ]


def _readiness(
    device: Device, active: Sequence[Quarantine], *, is_out: bool, at: datetime, checked_within_days: int
) -> DeviceReadiness:
    zone = device.estate.time_zone if device.estate is not None else None
    today = at.astimezone(ZoneInfo(zone or device.region.time_zone)).date()
    first_expiry = min(
        (item.expires_on for item in device.consumables if item.kind in REQUIRED_CONSUMABLES), default=None
    )
    readiness = readiness_on(
        today,
        state=device.state,
        first_expiry=first_expiry,
        battery_expiry=min(
            (item.expires_on for item in device.consumables if item.kind in WITH_BATTERY),
            default=None,
        ),
        last_checked_on=device.last_checked_on if device.silent_since is None else None,
        checked_within_days=checked_within_days,
    )
    if readiness.is_usable and is_out:
        readiness = Readiness.OUT_ON_CALL
    return DeviceReadiness(
        device=device,
        readiness=readiness,
        active=active,
        first_expiry=first_expiry,
        is_expired=first_expiry is not None and first_expiry < today,
    )


def count_readiness(
    session: Session, viewer: Viewer, device_filter: DeviceFilter, *, at: datetime, checked_within_days: int
) -> dict[int | None, Counter[Readiness]]:
    """Return how many devices have which readiness at a moment, by the id of their estate (None: of none).

    Covers the devices that the viewer keeps, manages or dispatches, but for withdrawn ones. Runs two
    statements, whatever the number of devices.
    """
    fitted = (
        select(
            Consumable.device_id,
            func.min(case((Consumable.kind.in_(REQUIRED_CONSUMABLES), Consumable.expires_on))).label("first"),
            func.min(case((Consumable.kind.in_(WITH_BATTERY), Consumable.expires_on))).label("battery"),
        )
        .where(Consumable.state == ConsumableState.FITTED)
        .group_by(Consumable.device_id)
        .subquery()
    )
    rows = session.execute(
        select(
            Device.id,
            Device.estate_id,
            Device.state,
            Device.last_checked_on,
            func.coalesce(Estate.time_zone, Region.time_zone).label("time_zone"),
            fitted.c.first,
            fitted.c.battery,
        )
        .join(Region, Region.id == Device.region_id)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .outerjoin(fitted, fitted.c.device_id == Device.id)
        .where(
            visible_to(viewer, Device),
            managed_by(viewer, Device),
            Device.state != DeviceState.WITHDRAWN,
            *filter_conditions(session, device_filter),
        )
    )
    out = set(session.scalars(devices_out_on_call()))
    today: dict[str, date] = {}
    found: dict[int | None, Counter[Readiness]] = defaultdict(Counter)
    for row in rows:
        if row.time_zone not in today:
            today[row.time_zone] = at.astimezone(ZoneInfo(row.time_zone)).date()
        readiness = readiness_on(
            today[row.time_zone],
            state=row.state,
            first_expiry=row.first,
            battery_expiry=row.battery,
            last_checked_on=row.last_checked_on,
            checked_within_days=checked_within_days,
        )
        found[row.estate_id][
            Readiness.OUT_ON_CALL if readiness.is_usable and row.id in out else readiness
        ] += 1
    return dict(found)


# --- reports --------------------------------------------------------------------------------------------


def report(session: Session, viewer: Viewer, report_id: int) -> FaultReport:
    """Return a fault report.

    Raises NotFound if it does not exist or the viewer does not keep, manage or dispatch its device.
    """
    found = managed_row(session, viewer, FaultReport, report_id)
    if found is None:
        raise NotFound(
            "Report {report_id} does not exist, or you may not see it.",
            field="report_id",
            report_id=report_id,
        )
    return found


def reports(
    session: Session,
    viewer: Viewer,
    device_filter: DeviceFilter,
    *,
    limit: int,
    after_id: int = 0,
    also_closed: bool = False,
) -> Sequence[FaultReport]:
    """Return a page of fault reports in order of id.

    Covers the devices that the viewer keeps, manages or dispatches.
    """
    statement = managed_rows(session, viewer, FaultReport, device_filter, limit=limit, after_id=after_id)
    if not also_closed:
        statement = statement.where(FaultReport.state == FaultReportState.OPEN)
    return session.scalars(statement).all()


def status_key(keys: KeyRing, device_id: int, kind: FaultKind, at: datetime) -> str:
    """Return the secret by which the sender of a report follows it; computed for any number alike.

    It is signed, and nothing of it is stored, so that it does not reveal whether the device exists.
    """
    what = f"{kind}-{int(at.timestamp() * 1_000_000)}"
    return f"{what}-{keys.keyed_hashes(_STATUS, f'{device_id}-{what}')[0][:_SIGNATURE]}"


def report_by_status_key(
    session: Session, viewer: Viewer, keys: KeyRing, device_id: int, key: str
) -> FaultReport | None:
    """Return the report that the secret follows; None if the viewer may not see its device.

    Raises NotFound for a secret that was not issued for this number.
    """
    what, _, signature = key.rpartition("-")
    made = keys.keyed_hashes(_STATUS, f"{device_id}-{what}")
    if not signature.isascii() or not any(hmac.compare_digest(each[:_SIGNATURE], signature) for each in made):
        raise NotFound("There is no such report.", field="key")
    kind, _, micros = what.partition("-")
    at = _EPOCH + timedelta(microseconds=int(micros))
    return session.scalars(
        select(FaultReport)
        .join(Device, Device.id == FaultReport.device_id)
        .where(
            FaultReport.device_id == device_id,
            FaultReport.kind == FaultKind(kind),
            FaultReport.at == at,
            visible_to(viewer, Device),
        )
    ).first()


def open_reports(session: Session, device_id: int, *, until: datetime) -> Sequence[FaultReport]:
    """Return the open fault reports of a device made no later than `until`.

    visibility: for a check of a device that the viewer may check.
    """
    return session.scalars(
        select(FaultReport).where(
            FaultReport.device_id == device_id,
            FaultReport.state == FaultReportState.OPEN,
            FaultReport.at <= until,
        )
    ).all()


def count_failed_fetches(session: Session, device_id: int) -> int:
    """Return the number of open NOT_FETCHED reports of a device. A check closes them.

    visibility: returns only a count.
    """
    return (
        session.scalar(
            select(func.count())
            .select_from(FaultReport)
            .where(
                FaultReport.device_id == device_id,
                FaultReport.kind == FaultKind.NOT_FETCHED,
                FaultReport.state == FaultReportState.OPEN,
            )
        )
        or 0
    )


def count_recent_reports(
    session: Session, *, since: datetime, device_id: int | None = None, from_key: str | None = None
) -> int:
    """Return the number of strangers' reports after `since`, optionally of one device or from one address.

    visibility: returns only a count.
    """
    statement = (
        select(func.count())
        .select_from(FaultReport)
        .where(FaultReport.at > since, FaultReport.from_key.is_not(None))
    )
    if device_id is not None:
        statement = statement.where(FaultReport.device_id == device_id)
    if from_key is not None:
        statement = statement.where(FaultReport.from_key == from_key)
    return session.scalar(statement) or 0

"""Queries for the shares of devices, as the terms from which audiences are derived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.sharing.higher_tables import ALERTS, CONSUMABLES, DEVICES, ESTATES
from aed.sharing.models import Agreement, DeviceShare
from aed.sharing.rules import (
    AgreementKind,
    Insured,
    ShareTerms,
    end_of,
    start_of,
)


def time_zone_of(session: Session, estate_id: int) -> str:
    """Return the time zone of an estate.

    visibility: only the time zone.
    """
    zone: str = session.execute(
        select(func.coalesce(ESTATES.c.time_zone, Region.time_zone))
        .select_from(ESTATES)
        .join(Region, Region.id == ESTATES.c.region_id)
        .where(ESTATES.c.id == estate_id)
    ).scalar_one()
    return zone


def terms_of(session: Session, device_ids: Collection[int]) -> dict[int, list[ShareTerms]]:
    """Return the terms of confirmed agreements about these devices, by device id.

    visibility: for deriving audiences; nothing is shown.
    """
    found: dict[int, list[ShareTerms]] = defaultdict(list)
    statement = (
        select(DeviceShare, Agreement, func.coalesce(ESTATES.c.time_zone, Region.time_zone))
        .join(Agreement, Agreement.id == DeviceShare.agreement_id)
        .join(ESTATES, ESTATES.c.id == Agreement.estate_id)
        .join(Region, Region.id == ESTATES.c.region_id)
        .where(DeviceShare.device_id.in_(device_ids), Agreement.confirmed_at.is_not(None))
        .order_by(DeviceShare.id)
    )
    for share, agreement, time_zone in session.execute(statement):
        found[share.device_id].append(_terms(share, agreement, time_zone))
    return found


def _terms(share: DeviceShare, agreement: Agreement, time_zone: str) -> ShareTerms:
    insurances = agreement.terms.get("insurances") or []
    assert agreement.confirmed_at is not None
    return ShareTerms(
        agreement_id=agreement.id,
        is_by_register=agreement.kind is AgreementKind.REGISTER,
        step=share.step,
        starts_at=share.starts_at,
        ends_at=share.ends_at,
        hours=share.hours,
        step_outside_hours=share.step_outside_hours,
        allows_override=share.allows_override,
        published_position=share.published_position,
        superseded_at=share.superseded_at,
        withdrawn_at=agreement.withdrawn_at,
        suspended_at=agreement.suspended_at,
        insured=tuple(_insured(each, time_zone) for each in insurances) if insurances else None,
        lowered_to=share.lowered_to,
    )


def _insured(insurance: dict[str, Any], time_zone: str) -> Insured:
    ends_at = end_of(date.fromisoformat(insurance["ends_on"]), time_zone)
    assert ends_at is not None
    return Insured(start_of(date.fromisoformat(insurance["starts_on"]), time_zone), ends_at)


def devices_to_refresh(session: Session, device_ids: Collection[int]) -> list[Row[Any]]:
    """Lock and return these devices and their loaners: what is derived, and whether they are out on a call.

    visibility: for deriving audiences; nothing is shown.
    """
    is_out = exists().where(ALERTS.c.out_device_id == DEVICES.c.id, ALERTS.c.device_settled_at.is_(None))
    loaners = select(DEVICES.c.loaner_id).where(
        DEVICES.c.id.in_(device_ids), DEVICES.c.loaner_id.is_not(None)
    )
    return list(
        session.execute(
            select(*DEVICES.c, is_out.label("is_out"))
            .where(or_(DEVICES.c.id.in_(device_ids), DEVICES.c.id.in_(loaners)))
            .order_by(DEVICES.c.id)
            .with_for_update(of=DEVICES)
        )
    )


def devices_due(session: Session, at: datetime, *, limit: int) -> list[int]:
    """Return devices whose audience changes at or before `at`.

    visibility: for the job that keeps audiences in step.
    """
    return list(
        session.scalars(
            select(DEVICES.c.id)
            .where(DEVICES.c.audience_changes_at <= at)
            .order_by(DEVICES.c.audience_changes_at, DEVICES.c.id)
            .limit(limit)
        )
    )


def unready_devices(
    session: Session, estate_id: int, *, today: date, check_interval_days: int
) -> tuple[float, frozenset[int]]:
    """Return the percentage of an estate's devices that are ready, and the devices that are not.

    A device is ready if it is in service, nothing fitted has expired and its last check is not overdue.
    visibility: for deciding on a step up; only the percentage is shown.
    """
    expired = exists().where(
        CONSUMABLES.c.device_id == DEVICES.c.id,
        CONSUMABLES.c.state == "fitted",
        CONSUMABLES.c.expires_on < today,
        CONSUMABLES.c.kind.in_(("pads", "battery", "cartridge")),
    )
    is_ready = and_(
        DEVICES.c.state == "in_service",
        DEVICES.c.last_checked_on >= today - timedelta(days=check_interval_days),
        ~expired,
    )
    rows = session.execute(
        select(DEVICES.c.id, case((is_ready, 1), else_=0).label("is_ready")).where(
            DEVICES.c.estate_id == estate_id, DEVICES.c.state != "withdrawn"
        )
    ).all()
    unready = frozenset(row.id for row in rows if not row.is_ready)
    return (100.0 * (len(rows) - len(unready)) / len(rows) if rows else 100.0), unready


def agreements_of(kind: AgreementKind) -> Select[int]:
    """Return a subquery for the agreements of a kind.

    visibility: a part of statements.
    """
    return select(Agreement.id).where(Agreement.kind == kind)

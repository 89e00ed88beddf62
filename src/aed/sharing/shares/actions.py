"""Keep the audience of devices in step with the agreements in force, and record changes by the register."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row, exists, func, insert, select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience, Viewer
from aed.database.locks import exclusive_lock
from aed.sharing.higher_tables import CHANGES, DEVICES
from aed.sharing.models import Agreement, DeviceShare
from aed.sharing.regional_rules.queries import rules_of_version
from aed.sharing.rules import (
    RULES,
    AgreementKind,
    AgreementState,
    AudienceReason,
    CodeRecipient,
    DerivedAudience,
    PublishedPosition,
    audience_at,
    held_back,
    is_step_up,
)
from aed.sharing.shares.queries import (
    agreements_of,
    devices_due,
    devices_to_refresh,
    terms_of,
    time_zone_of,
    unready_devices,
)

BY_REGISTER: Final = "0" * 64
"""The hash of no text: no party has decided."""
HELD_FOR: Final = timedelta(hours=1)
"""A step up that checks or readiness prevent is tried again after this time."""
ON_CALL_RECHECK_AFTER: Final = timedelta(minutes=1)
"""A device that is out on a call is looked at again after this time."""
DEVICES_AT_ONCE: Final = 500
_DERIVED: Final = (
    "audience",
    "sharing_hours",
    "audience_outside_hours",
    "emergency_override",
    "published_position",
    "agreement_id",
)


def refresh_due_devices(session: Session, *, at: datetime) -> int:
    """Derive the audience of devices for which it changes at or before `at`; return how many changed."""
    return refresh_devices(session, devices_due(session, at, limit=DEVICES_AT_ONCE), at=at)


def refresh_devices(session: Session, device_ids: Collection[int], *, at: datetime) -> int:
    """Derive the audience of these devices at `at` and store it; return how many changed.

    1. Derive it from the shares (`rules.audience_at`). Devices without shares stay as they are. A loaner has
       the shares of the device that is away.
    2. A device that is out on a call keeps its audience until the call is settled.
    3. A step up waits until enough devices of the estate are ready and the device's check is not overdue.
    4. Store the result, with a new version, and record the change in the device's history.
    """
    session.flush()
    session.expire_all()
    rows = devices_to_refresh(session, device_ids)
    terms = terms_of(session, {row.stands_in_for_id or row.id for row in rows})
    unready: dict[int, frozenset[int]] = {}
    changed = 0
    for row in rows:
        shares = terms.get(row.stands_in_for_id or row.id, [])
        if not shares:
            continue
        now = _stored(row)
        derived = audience_at(shares, at)
        changes_at = derived.changes_at
        if row.is_out and _values(derived) != _values(now):
            derived, changes_at = now, at + ON_CALL_RECHECK_AFTER
        elif derived.reason is AudienceReason.AGREEMENT and is_step_up(now, derived):
            if row.estate_id not in unready:
                unready[row.estate_id] = _held_back(session, row.estate_id, derived.agreement_id, at=at)
            if row.id in unready[row.estate_id]:
                derived = held_back(now, derived)
                changes_at = min(changes_at or at + HELD_FOR, at + HELD_FOR)
        changed += _store(session, row, derived, changes_at, at=at)
    return changed


def _held_back(session: Session, estate_id: int, agreement_id: int | None, *, at: datetime) -> frozenset[int]:
    """Return the devices of the estate that may not be stepped up now.

    visibility: for deriving audiences; nothing is shown.
    """
    today = at.astimezone(ZoneInfo(time_zone_of(session, estate_id))).date()
    agreement = session.get_one(Agreement, agreement_id)
    by = rules_of_version(session, agreement.rules_version)
    interval = agreement.terms.get("check_interval_days") or by.check_interval_days
    percent, unready = unready_devices(session, estate_id, today=today, check_interval_days=interval)
    if percent < by.min_ready_percent:
        devices = select(DEVICES.c.id).where(DEVICES.c.estate_id == estate_id)
        return frozenset(session.scalars(devices))
    return unready


def _stored(row: Row[Any]) -> DerivedAudience:
    outside = row.audience_outside_hours
    return DerivedAudience(
        Audience(row.audience),
        AudienceReason.AGREEMENT,
        row.agreement_id,
        hours=row.sharing_hours,
        audience_outside_hours=Audience(outside) if outside is not None else None,
        emergency_override=bool(row.emergency_override),
        published_position=PublishedPosition(row.published_position),
    )


def _values(derived: DerivedAudience) -> dict[str, Any]:
    outside = derived.audience_outside_hours
    return {
        "audience": str(derived.audience),
        "sharing_hours": derived.hours,
        "audience_outside_hours": str(outside) if outside is not None else None,
        "emergency_override": derived.emergency_override,
        "published_position": str(derived.published_position),
        "agreement_id": derived.agreement_id,
    }


def _store(
    session: Session, row: Row[Any], derived: DerivedAudience, changes_at: datetime | None, *, at: datetime
) -> bool:
    before, now = _values(_stored(row)), _values(derived)
    fields = {name: [before[name], now[name]] for name in _DERIVED if before[name] != now[name]}
    values = {"audience_changes_at": changes_at, **{name: now[name] for name in fields}}
    if fields:
        values["version"] = row.version + 1
    elif row.audience_changes_at == changes_at:
        return False
    session.execute(update(DEVICES).where(DEVICES.c.id == row.id).values(values))
    if fields:
        session.execute(
            insert(CHANGES).values(
                subject="devices", subject_id=str(row.id), at=at, who="agreements", fields=fields
            )
        )
    return bool(fields)


# --- Changes by the register ----------------------------------------------------------------------------


def record_by_register(session: Session, who: Viewer, *, device_id: int | None = None, at: datetime) -> int:
    """Record the audience that the register gives to devices of estates; return how many were recorded.

    It becomes a share of the estate's agreement by the register, which ends the earlier one. `device_id`
    limits this to one device; None: all devices, for those of imported lists. Devices that an agreement of
    parties governs are left out. visibility: nothing is shown.
    """
    session.flush()
    known = exists().where(
        DeviceShare.device_id == DEVICES.c.id,
        DeviceShare.superseded_at.is_(None),
        DeviceShare.step == DEVICES.c.audience,
        DeviceShare.agreement_id.in_(agreements_of(AgreementKind.REGISTER)),
    )
    any_share = exists().where(DeviceShare.device_id == DEVICES.c.id)
    statement = select(DEVICES.c.id, DEVICES.c.estate_id, DEVICES.c.region_id, DEVICES.c.audience).where(
        DEVICES.c.estate_id.is_not(None),
        DEVICES.c.agreement_id.is_(None),
        DEVICES.c.state != "withdrawn",
        ~known,
        (DEVICES.c.audience != Audience.ESTATE.value) | any_share,
    )
    if device_id is not None:
        statement = statement.where(DEVICES.c.id == device_id)
    rows = session.execute(statement.order_by(DEVICES.c.id)).all()
    if not rows:
        return 0
    register = _agreements_by_register(session, who, {row.estate_id: row.region_id for row in rows}, at=at)
    ids = [row.id for row in rows]
    session.execute(
        update(DeviceShare)
        .where(
            DeviceShare.device_id.in_(ids),
            DeviceShare.superseded_at.is_(None),
            DeviceShare.agreement_id.in_(agreements_of(AgreementKind.REGISTER)),
        )
        .values(superseded_at=at)
        .execution_options(synchronize_session=False)
    )
    planned: dict[int, datetime] = {
        each.device_id: each.starts_at
        for each in session.execute(
            select(DeviceShare.device_id, func.min(DeviceShare.starts_at).label("starts_at"))
            .join(Agreement, Agreement.id == DeviceShare.agreement_id)
            .where(
                DeviceShare.device_id.in_(ids),
                DeviceShare.starts_at > at,
                Agreement.state == AgreementState.CONFIRMED,
                Agreement.kind != AgreementKind.REGISTER,
            )
            .group_by(DeviceShare.device_id)
        )
    }
    session.execute(
        insert(DeviceShare),
        [
            {
                "agreement_id": register[row.estate_id],
                "device_id": row.id,
                "step": Audience(row.audience),
                "step_outside_hours": Audience(row.audience),
                "gates": [],
                "allows_override": False,
                "code_to": CodeRecipient.NOBODY,
                "may_leave_estate": True,
                "published_position": PublishedPosition.EXACT,
                "starts_at": at,
                "superseded_at": planned.get(row.id),
            }
            for row in rows
        ],
    )
    return len(rows)


def _agreements_by_register(
    session: Session, who: Viewer, regions: dict[int, int], *, at: datetime
) -> dict[int, int]:
    """Return the id of the agreement by the register of each estate, created if there is none.

    visibility: nothing is shown.
    """
    wanted = select(Agreement.estate_id, Agreement.id).where(
        Agreement.kind == AgreementKind.REGISTER, Agreement.estate_id.in_(regions)
    )
    found: dict[int, int] = {row.estate_id: row.id for row in session.execute(wanted)}
    if len(found) < len(regions):
        exclusive_lock(session, "agreements by the register")
        found = {row.estate_id: row.id for row in session.execute(wanted)}
        for estate_id in sorted(set(regions) - set(found)):
            agreement = Agreement(
                estate_id=estate_id,
                region_id=regions[estate_id],
                kind=AgreementKind.REGISTER,
                state=AgreementState.CONFIRMED,
                starts_on=at.date(),
                terms={},
                text_hash=BY_REGISTER,
                rules_version=RULES.version,
                created_at=at,
                created_by=who.name,
                confirmed_at=at,
                confirmed_by=who.name,
            )
            session.add(agreement)
            session.flush()
            found[estate_id] = agreement.id
    return found

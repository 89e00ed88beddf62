"""Loans: a spare device stands in at the place of one that is away, such as at repair.

The loaner takes over the place: position, hours, way in, keeper, estate and audience. So every reader of
devices, such as the lookup, finds it there. The device that is away is out of service meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from aed.accounts.fields import FreeText, Id
from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience, Viewer, require_can_see_history, require_keeper
from aed.accounts.visibility import visible_to
from aed.database.geometry import point, position_of
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput, NotFound
from aed.geo import Datum, Position
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation
from aed.registry.devices import queries as device_queries
from aed.registry.devices.dispatchable import devices_out_on_call
from aed.registry.devices.models import Device, Loan
from aed.registry.devices.rules import AWAY, REQUIRED_CONSUMABLES, Cabinet, DeviceState, EntryMode
from aed.registry.fields import Day
from aed.sharing.shares import actions as share_actions

PLACE_FIELDS: Final = (
    "position",
    "origin_datum",
    "origin_lat",
    "origin_lon",
    "region_id",
    "estate_id",
    "place_en",
    "place_zh",
    "floor",
    "opening_hours",
    "opening_hours_raw",
    "entry",
    "access_instructions_en",
    "access_instructions_zh",
    "cabinet",
    "access_doubted_at",
    "audience",
    "sharing_hours",
    "audience_outside_hours",
    "emergency_override",
    "published_position",
    "agreement_id",
    "audience_changes_at",
)
"""Columns of a device that belong to its place, beside its keeper: a loaner takes them over."""
PLACE_INPUTS: Final = (frozenset(PLACE_FIELDS) | {"storey", "keeper"}) - {"access_doubted_at"}
"""Fields of a `DeviceAmend` that are about the place."""
_STATE: Final = frozenset({"state", "out_of_service_reason"})


class LoanIn(BaseModel):
    """A spare device that stands in for one that is away."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"loaner_id": 2, "due_back_on": "2026-11-30", "reason": "Sent in for repair"}]
        },
    )

    loaner_id: Id = Field(
        description="A spare device that is out of service and whose parts have not expired"
    )
    due_back_on: Day = Field(description="The last day of the loan")
    reason: FreeText = Field(min_length=1, max_length=500, description="Why the device is away")


class LoanAmend(BaseModel):
    """Another last day of a loan."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"due_back_on": "2026-12-31"}]})

    due_back_on: Day


class LoanOut(BaseModel):
    """A loan that is not over."""

    id: Id
    device_id: Id = Field(description="The device that is away")
    loaner_id: Id = Field(description="The device that stands in at its place")
    reason: str
    lent_at: datetime
    lent_by: str
    due_back_on: date
    version: int

    @classmethod
    def of(cls, loan: Loan) -> Self:
        return cls(
            id=loan.id,
            device_id=loan.device_id,
            loaner_id=loan.loaner_id,
            reason=loan.reason,
            lent_at=loan.lent_at,
            lent_by=loan.lent_by,
            due_back_on=loan.due_back_on,
            version=loan.version,
        )


def open_loan(session: Session, device: Device) -> Loan | None:
    """Return the loan in which the device is away or stands in, if there is one.

    visibility: the caller has read the device.
    """
    if device.loaner_id is None and device.stands_in_for_id is None:
        return None
    return session.scalar(
        select(Loan).where(
            or_(Loan.device_id == device.id, Loan.loaner_id == device.id), Loan.returned_at.is_(None)
        )
    )


def loan_of(session: Session, viewer: Viewer, device_id: int) -> Loan | None:
    """Return the loan in which a device is away or stands in, if there is one, for those who keep the device.

    Raises NotFound, NotSignedIn, NotAllowed. visibility: of a device that the viewer keeps.
    """
    device = device_queries.device(session, viewer, device_id)
    require_can_see_history(require_keeper, viewer, device.estate_id, region_id=device.region_id)
    return open_loan(session, device)


def spare_devices(session: Session, viewer: Viewer, estate_id: int) -> list[Device]:
    """Return the devices of an estate that can stand in for another: out of service, and not quarantined.

    Whether their parts have expired is looked at when they are lent.
    """
    return list(
        session.scalars(
            select(Device)
            .where(
                visible_to(viewer, Device),
                Device.estate_id == estate_id,
                Device.state == DeviceState.OUT_OF_SERVICE,
                Device.is_quarantined.is_(False),
                Device.loaner_id.is_(None),
                Device.stands_in_for_id.is_(None),
                Device.agreement_id.is_(None),
            )
            .order_by(Device.id)
        )
    )


def lend_device(session: Session, who: Viewer, device_id: int, new: LoanIn, *, at: datetime) -> Loan:
    """Let a spare device stand in for one that is away, for keepers of both.

    1. Lock both devices in order of id, and check that one may be replaced and the other is a usable spare.
    2. Move the loaner to the place of the device that is away, and put it in service.
    3. Take the device that is away out of service, unless it is already.

    Raises NotFound, NotSignedIn, NotAllowed, InvalidInput, and Conflict for devices that cannot be lent or
    replaced, such as those of another loan.
    """
    if new.loaner_id == device_id:
        raise InvalidInput("A device cannot stand in for itself: give another loaner_id.", field="loaner_id")
    kept = device_queries.device(session, who, device_id)
    require_keeper(who, kept.estate_id, region_id=kept.region_id)
    devices = {each: _device(session, who, each, new) for each in sorted((device_id, new.loaner_id))}
    away, loaner = devices[device_id], devices[new.loaner_id]
    require_keeper(who, loaner.estate_id, region_id=loaner.region_id)
    today = _today(away, at)
    _require_replaceable(away)
    _require_spare(loaner, away, today=today)
    _require_to_come(new.due_back_on, today=today)
    loan = Loan(
        device_id=away.id,
        loaner_id=loaner.id,
        reason=new.reason,
        lent_at=at,
        lent_by=who.name,
        due_back_on=new.due_back_on,
        loaner_before={name: _to_json(name, getattr(loaner, name)) for name in PLACE_FIELDS}
        | {"out_of_service_reason": loaner.out_of_service_reason},
        loaner_keeper_id=loaner.keeper_id,
    )
    loaner.stands_in_for_id, away.loaner_id = away.id, loaner.id
    loaner.state, loaner.out_of_service_reason = DeviceState.IN_SERVICE, None
    if away.state is DeviceState.IN_SERVICE:
        away.state, away.out_of_service_reason = DeviceState.OUT_OF_SERVICE, AWAY
    record_amendment(session, who, away, at=at)
    copy_place(session, who, away, loaner, at=at)
    session.add(loan)
    flush_or_conflict(session, "One of these devices was lent at the same time. Read it again.", "loaner_id")
    record_creation(session, who, loan, at=at)
    share_actions.record_by_register(session, who, device_id=loaner.id, at=at)
    return loan


def amend_loan(
    session: Session,
    who: Viewer,
    device_id: int,
    change: LoanAmend,
    *,
    version: int,
    at: datetime,
) -> Loan:
    """Agree on another last day of a loan. Raises what `return_loaner` raises, and InvalidInput."""
    loan = _kept_loan(session, who, device_id)
    require_version(loan, version)
    device = device_queries.device(session, who, loan.device_id)
    _require_to_come(change.due_back_on, today=_today(device, at))
    loan.due_back_on = change.due_back_on
    record_amendment(session, who, loan, at=at)
    flush_or_conflict(session, "The loan cannot be changed to these values.", None)
    return loan


def return_loaner(session: Session, who: Viewer, device_id: int, *, version: int, at: datetime) -> Loan:
    """End the loan in which a device is away or stands in: both are as they were before.

    A device that was in service before the loan is so again, unless it was quarantined meanwhile. Raises
    NotFound, NotSignedIn, NotAllowed, ChangedMeanwhile, and Conflict while the loaner is out on a call.
    """
    loan = _kept_loan(session, who, device_id)
    require_version(loan, version)
    is_out = select(exists().where(Device.id == loan.loaner_id, Device.id.in_(devices_out_on_call())))
    if session.scalar(is_out):  # visibility: the viewer keeps the device
        raise Conflict(
            "The loaner, device {loaner_id}, is out on a call. Settle that first.",
            field="device_id",
            loaner_id=loan.loaner_id,
        )
    _end(session, who, loan, at=at)
    return loan


def end_loan(session: Session, who: Viewer, device: Device, *, at: datetime) -> None:
    """End the loan of a device that is about to be withdrawn, if there is one.

    visibility: the caller may withdraw the device.
    """
    loan = open_loan(session, device)
    if loan is not None:
        _end(session, who, loan, at=at)


def copy_place(session: Session, who: Viewer, away: Device, loaner: Device, *, at: datetime) -> None:
    """Copy the place of a device to its loaner, and record what changed.

    visibility: for keepers of both.
    """
    for name in PLACE_FIELDS:
        now = getattr(away, name)
        if _to_json(name, now) != _to_json(name, getattr(loaner, name)):
            setattr(loaner, name, _from_json(name, _to_json(name, now)))
    loaner.keeper_id = away.keeper_id
    record_amendment(session, who, loaner, at=at)
    flush_or_conflict(session, "The loaner cannot be moved there.", "loaner_id")
    session.refresh(loaner, ["keeper", "estate", "region"])


def follow_place(session: Session, who: Viewer, device: Device, *, at: datetime) -> None:
    """Move the loaner of a device along after the place of the device was amended.

    visibility: the caller may amend the device.
    """
    if device.loaner_id is not None:
        copy_place(session, who, device, session.get_one(Device, device.loaner_id), at=at)


def require_not_lent(device: Device, names: frozenset[str] | set[str]) -> None:
    """Require that a loan does not decide these fields of a `DeviceAmend`. Raises Conflict."""
    if device.loaner_id is not None and names & _STATE:
        raise Conflict(
            "The device is away, and device {loaner_id} stands in for it. Return the loaner first.",
            field="state",
            loaner_id=device.loaner_id,
        )
    about_place = sorted(names & PLACE_INPUTS)
    if device.stands_in_for_id is not None and about_place:
        raise Conflict(
            "This device stands in for device {device_id}: amend that one, and this one follows.",
            field=about_place[0],
            device_id=device.stands_in_for_id,
        )


# --- Steps ----------------------------------------------------------------------------------------------


def _device(session: Session, who: Viewer, device_id: int, new: LoanIn) -> Device:
    try:
        return device_queries.device(session, who, device_id, for_update=True)
    except NotFound:
        if device_id != new.loaner_id:
            raise
        raise NotFound(
            "Device {device_id} does not exist, or you may not see it.",
            field="loaner_id",
            device_id=device_id,
        ) from None


def _today(device: Device, at: datetime) -> date:
    zone = device.estate.time_zone if device.estate is not None else None
    return at.astimezone(ZoneInfo(zone or device.region.time_zone)).date()


def _require_to_come(due_back_on: date, *, today: date) -> None:
    if due_back_on < today:
        raise InvalidInput(
            "due_back_on must be today ({today}) or later.", field="due_back_on", today=today.isoformat()
        )


def _require_replaceable(away: Device) -> None:
    if away.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    if away.loaner_id is not None:
        raise Conflict(
            "Device {loaner_id} stands in for this device already. Return it first.",
            field="device_id",
            loaner_id=away.loaner_id,
        )
    if away.stands_in_for_id is not None:
        raise Conflict(
            "This device stands in for device {device_id}. Return it first.",
            field="device_id",
            device_id=away.stands_in_for_id,
        )


def _require_spare(loaner: Device, away: Device, *, today: date) -> None:
    if loaner.loaner_id is not None or loaner.stands_in_for_id is not None:
        raise Conflict(
            "Device {loaner_id} is part of another loan. Choose another one.",
            field="loaner_id",
            loaner_id=loaner.id,
        )
    if loaner.state is not DeviceState.OUT_OF_SERVICE or loaner.is_quarantined or loaner.agreement_id:
        raise Conflict(
            "Device {loaner_id} is not a spare. Choose one that is out of service, not quarantined, and not "
            "in an agreement.",
            field="loaner_id",
            loaner_id=loaner.id,
        )
    if loaner.region_id != away.region_id:
        raise Conflict("The loaner must be registered in the same region.", field="loaner_id")
    expired = [
        each.expires_on
        for each in loaner.consumables
        if each.kind in REQUIRED_CONSUMABLES and each.expires_on < today
    ]
    if expired:
        raise Conflict(
            "The pads or the battery of device {loaner_id} expired on {day}. Replace them first.",
            field="loaner_id",
            loaner_id=loaner.id,
            day=min(expired).isoformat(),
        )


def _kept_loan(session: Session, who: Viewer, device_id: int) -> Loan:
    """Lock and return the loan of a device that the viewer keeps.

    visibility: the viewer keeps the device.
    """
    device = device_queries.device(session, who, device_id)
    require_keeper(who, device.estate_id, region_id=device.region_id)
    loan = open_loan(session, device)
    if loan is not None:
        session.refresh(loan, with_for_update=True)
    if loan is None or loan.returned_at is not None:
        raise Conflict("Device {device_id} is not part of a loan.", field="device_id", device_id=device_id)
    return loan


def _end(session: Session, who: Viewer, loan: Loan, *, at: datetime) -> None:
    """Put both devices back where they were before the loan, and record it.

    visibility: for keepers of the device.
    """
    found = session.scalars(
        select(Device)
        .where(Device.id.in_((loan.device_id, loan.loaner_id)))
        .order_by(Device.id)
        .with_for_update()
    )
    devices = {each.id: each for each in found}
    away, loaner = devices[loan.device_id], devices[loan.loaner_id]
    loan.returned_at, loan.returned_by = at, who.name
    record_amendment(session, who, loan, at=at)
    away.loaner_id, away.access_doubted_at = None, loaner.access_doubted_at
    if not away.is_quarantined and away.out_of_service_reason == AWAY:
        away.state, away.out_of_service_reason = DeviceState.IN_SERVICE, None
    record_amendment(session, who, away, at=at)
    loaner.stands_in_for_id = None
    for name in PLACE_FIELDS:
        setattr(loaner, name, _from_json(name, loan.loaner_before[name]))
    loaner.keeper_id = _keeper_before(session, loan)
    if not loaner.is_quarantined:
        loaner.state = DeviceState.OUT_OF_SERVICE
        loaner.out_of_service_reason = loan.loaner_before["out_of_service_reason"]
    record_amendment(session, who, loaner, at=at)
    flush_or_conflict(session, "The loan cannot be ended.", None)
    session.refresh(loaner, ["keeper", "estate", "region"])
    share_actions.record_by_register(session, who, device_id=loaner.id, at=at)


def _keeper_before(session: Session, loan: Loan) -> int | None:
    """Return the keeper of the loaner before, unless their data was erased since.

    visibility: an id of a device that the viewer keeps.
    """
    if loan.loaner_keeper_id is None:
        return None
    person = session.get(Person, loan.loaner_keeper_id)
    return person.id if person is not None and person.erased_at is None else None


# --- The place of a loaner as JSON ----------------------------------------------------------------------


def _position(value: list[float]) -> Any:
    return point(Position(*value))


_PARSERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "position": _position,
    "origin_datum": Datum,
    "entry": EntryMode,
    "cabinet": Cabinet,
    "audience": Audience,
    "access_doubted_at": datetime.fromisoformat,
    "audience_changes_at": datetime.fromisoformat,
}


def _to_json(name: str, value: Any) -> Any:
    if name == "position":
        here = position_of(value)
        return [here.lat, here.lon]
    return value.isoformat() if isinstance(value, datetime) else value


def _from_json(name: str, value: Any) -> Any:
    return value if value is None or name not in _PARSERS else _PARSERS[name](value)

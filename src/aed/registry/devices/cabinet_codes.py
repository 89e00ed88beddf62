"""Codes that open the cabinets of devices."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_keeper
from aed.errors import Conflict
from aed.registry.access_codes import AccessCode, AccessCodeOut
from aed.registry.changes import record_note
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import CabinetCode, Device
from aed.registry.devices.rules import DeviceState


def cabinet_code(session: Session, device_id: int) -> CabinetCode | None:
    """Return the code of the cabinet, if there is one: for a loaner, that of the device that is away.

    visibility: the caller has checked that the viewer keeps the device, or fetches it.
    """
    away = select(Device.stands_in_for_id).where(Device.id == device_id).scalar_subquery()
    return session.scalar(select(CabinetCode).where(CabinetCode.device_id == func.coalesce(away, device_id)))


class CabinetCodeIn(BaseModel):
    """A code that opens the cabinet; null removes the code."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "4711#"}]})

    code: AccessCode | None


class CabinetCodeOut(AccessCodeOut):
    """The code that opens the cabinet, when it was set, and by whom; null if no code is known."""


def set_cabinet_code(
    session: Session, who: Viewer, device_id: int, code: str | None, *, at: datetime
) -> None:
    """Set or remove (None) the code of a cabinet. The history records that it was set, without the code.

    A loaner hangs in the cabinet of the device that is away, whose code this is. Raises NotFound,
    NotSignedIn, NotAllowed; Conflict for a withdrawn device.
    visibility: the viewer keeps the device.
    """
    device = device_queries.device(session, who, device_id)
    require_keeper(who, device.estate_id, region_id=device.region_id)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    kept = cabinet_code(session, device.id)
    before = kept.code if kept is not None else None
    if before == code:
        return
    if kept is not None and code is None:
        session.delete(kept)
    elif kept is not None:
        kept.code, kept.set_at, kept.set_by = code or "", at, who.name
    else:
        session.add(
            CabinetCode(device_id=device.stands_in_for_id or device.id, code=code, set_at=at, set_by=who.name)
        )
    shown = {True: "set", False: None}
    fields = {"cabinet_code": [shown[before is not None], shown[code is not None]]}
    record_note(session, who, device, fields, at=at)
    session.flush()

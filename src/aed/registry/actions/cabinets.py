"""What opens the cabinet of a device."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer, may_keep_devices
from aed.errors import Conflict
from aed.registry import queries
from aed.registry.actions.record import keep_note
from aed.registry.models import CabinetCode
from aed.registry.rules.device import DeviceState


def set_cabinet_code(
    session: Session, who: Viewer, device_id: int, code: str | None, *, at: datetime
) -> None:
    """The code holds from now on; None: there is none. The history says that it was set, and not to what.

    Raises NotFound, NotSignedIn, NotAllowed; Conflict for a device that is not there any longer.
    visibility: of a device that the writer keeps.
    """
    device = queries.device(session, who, device_id)
    may_keep_devices(who, device.estate_id, region_id=device.region_id)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    kept = session.get(CabinetCode, device.id)
    before = kept.code if kept is not None else None
    if before == code:
        return
    if kept is not None and code is None:
        session.delete(kept)
    elif kept is not None:
        kept.code, kept.set_at, kept.set_by = code or "", at, who.name
    else:
        session.add(CabinetCode(device_id=device.id, code=code, set_at=at, set_by=who.name))
    told = {True: "set", False: None}
    fields = {"cabinet_code": [told[before is not None], told[code is not None]]}
    keep_note(session, who, device, fields, at=at)
    session.flush()

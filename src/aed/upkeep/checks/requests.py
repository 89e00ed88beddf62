"""Ask the keepers of a device to check it now, outside of what is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_estate_manager
from aed.errors import Conflict
from aed.registry.changes import changes_of, record_note
from aed.registry.devices import queries as device_queries
from aed.registry.devices.rules import DeviceState
from aed.upkeep.messages import notify_keepers

NOTE: Final = "check_requested"
"""The name under which the history of a device records it."""
ONCE_IN: Final = timedelta(hours=24)


def is_check_requested(session: Session, device_id: int, *, at: datetime) -> bool:
    """Return True if a check of the device was requested within the last day.

    visibility: of a device that the viewer manages.
    """
    since = at - ONCE_IN
    changes = changes_of(session, subject="devices", subject_id=str(device_id), limit=50)
    return any(NOTE in each.fields and each.at > since for each in changes)


def request_check(session: Session, who: Viewer, device_id: int, *, at: datetime) -> bool:
    """Ask the keepers of a device by message to check it; return False if that was done within a day.

    Managers of the estate stand in for a device without a keeper. Raises NotFound, NotSignedIn, NotAllowed,
    and Conflict if the device is withdrawn or nobody can be reached.
    """
    device = device_queries.device(session, who, device_id, for_update=True)
    require_estate_manager(who, device.estate_id, region_id=device.region_id)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    if is_check_requested(session, device.id, at=at):
        return False
    notified = notify_keepers(
        session, who, [device], en="please check this AED now.", zh="请现在巡检这台AED。", at=at
    )
    if not notified:
        raise Conflict(
            "Nobody but you can be asked to check it. Give the AED a keeper with a phone number.",
            field="device_id",
        )
    record_note(session, who, device, {NOTE: [None, at.isoformat()]}, at=at)
    session.flush()
    return True

"""A device to show to the person who plays a part."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.registry.devices.models import Device
from aed.upkeep.rules import short_number


def first_device(session: Session, viewer: Viewer) -> str | None:
    """Return the number of a device of the viewer's estate; of any that they see if they have no estate."""
    of_own = Device.estate_id == viewer.estate_id if viewer.estate_id is not None else Device.id > 0
    found = session.scalar(
        select(Device.id).where(visible_to(viewer, Device), of_own).order_by(Device.id).limit(1)
    )
    return short_number(found) if found is not None else None

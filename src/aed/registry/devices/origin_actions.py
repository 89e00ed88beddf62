"""Record from which source each attribute of a device comes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from aed.registry.devices.models import Device
from aed.registry.devices.origins import BY_HAND, Origin, Origins, origins_in


def record_manual_origin(
    session: Session, device: Device, attributes: Iterable[str], *, at: datetime
) -> None:
    """Record that a person entered these attributes now."""
    named = list(attributes)
    if named:
        origins = origins_in(device.origins, device.source)
        put_origins(session, device, origins.with_(named, Origin(BY_HAND, at)))


def put_origins(session: Session, device: Device, origins: Origins) -> None:
    """Set the sources of a device's attributes. This does not change the device's version."""
    kept = origins.as_json()
    if device.origins == kept:
        return
    session.flush()
    session.execute(
        update(Device)
        .where(Device.id == device.id)
        .values(origins=kept)
        .execution_options(synchronize_session=False)
    )
    set_committed_value(device, "origins", kept)

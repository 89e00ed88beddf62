"""Keeping in step where the attributes of a device come from."""

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
    """These attributes were said by a person, now."""
    named = list(attributes)
    if named:
        origins = origins_in(device.origins, device.source)
        put_origins(session, device, origins.with_(named, Origin(BY_HAND, at)))


def put_origins(session: Session, device: Device, origins: Origins) -> None:
    """The device's attributes come from there. This alone is no amendment: the version stays."""
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

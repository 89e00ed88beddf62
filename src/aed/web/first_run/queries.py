"""How far a new installation is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.database.geometry import shape_of
from aed.geo import Position
from aed.registry.devices.models import Device
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate


@dataclass(frozen=True, slots=True)
class Progress:
    """What exists already: an estate (the newest), its middle, and whether there is a device."""

    estate: Estate | None
    middle: Position | None
    has_device: bool


def progress(session: Session, viewer: Viewer) -> Progress:
    """Return how far the viewer's network is."""
    estates = estate_queries.estates(session, viewer, limit=1)
    device = session.scalar(select(Device.id).where(visible_to(viewer, Device)).limit(1))
    if not estates:
        return Progress(None, None, device is not None)
    middle = shape_of(estates[0].boundary).representative_point()
    return Progress(estates[0], Position(middle.y, middle.x), device is not None)

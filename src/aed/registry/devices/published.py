"""The positions of devices in lists, exports and maps, as their agreements publish them.

The lookup does not use these: people who are sent to a device, or look for one, get its exact position.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Double, and_, case, false, func, or_, true
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import managed_by
from aed.database.boxes import inside_box
from aed.database.compiled import inline_text
from aed.database.geometry import latitude, longitude
from aed.registry.devices.models import Device
from aed.sharing.rules import CELL_DEGREES, PublishedPosition


def is_approximate(viewer: Viewer) -> ColumnElement[bool]:
    """Select the devices of which the viewer reads only a rounded position.

    visibility: a part of statements that choose the devices.
    """
    if viewer.is_administrator:
        return false()
    return and_(
        Device.published_position == inline_text(PublishedPosition.APPROXIMATE),
        ~managed_by(viewer, Device),
    )


def published_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the devices that lists and exports may contain for the viewer.

    Those whose position is for dispatch only are for their estate, its region and dispatchers.
    """
    if viewer.is_administrator:
        return true()
    return or_(
        Device.published_position != inline_text(PublishedPosition.DISPATCH_ONLY), managed_by(viewer, Device)
    )


def published_latitude(viewer: Viewer) -> ColumnElement[float]:
    """Return the latitude that the viewer may read: the middle of a cell if it is approximate."""
    return _published(viewer, latitude(Device.position))


def published_longitude(viewer: Viewer) -> ColumnElement[float]:
    return _published(viewer, longitude(Device.position))


def _published(viewer: Viewer, degrees: ColumnElement[float]) -> ColumnElement[float]:
    if viewer.is_administrator:
        return degrees
    cell: Any = func.floor(degrees / CELL_DEGREES, type_=Double())
    return case((is_approximate(viewer), (cell + 0.5) * CELL_DEGREES), else_=degrees)


def inside_published_box(
    session: Session, viewer: Viewer, *, west: float, south: float, east: float, north: float
) -> ColumnElement[bool]:
    """Select the devices whose published position is in a box of degrees, by index on both databases.

    Raises InvalidInput if the box is out of range or west > east.
    """
    exact = inside_box(session, Device.position, west=west, south=south, east=east, north=north)
    if viewer.is_administrator:
        return exact
    near = inside_box(
        session,
        Device.position,
        west=max(west - CELL_DEGREES, -180.0),
        south=max(south - CELL_DEGREES, -90.0),
        east=min(east + CELL_DEGREES, 180.0),
        north=min(north + CELL_DEGREES, 90.0),
    )
    return and_(
        near,
        published_latitude(viewer).between(south, north),
        published_longitude(viewer).between(west, east),
    )

"""Read what a map without a base map shows: outlines of estates, streets of the walking network."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.database.boxes import overlapping_box
from aed.database.geometry import shape_of
from aed.geo import BoundingBox, Datum, Position, from_wgs84
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState
from aed.walking.network import WalkingNetwork
from aed.web.map.rules import Outline

MAX_STREETS: Final = 6_000


def outlines(session: Session, viewer: Viewer, box: BoundingBox, *, limit: int) -> list[Outline]:
    """Return the estates that overlap a box and have devices that the viewer may see, by id."""
    has_one = select(Device.id).where(Device.estate_id == Estate.id, visible_to(viewer, Device)).exists()
    rows = session.execute(
        select(Estate.name_en, Estate.name_zh, Estate.boundary)
        .where(
            has_one,
            Estate.state == EstateState.ACTIVE,
            overlapping_box(
                session, Estate.boundary, west=box.west, south=box.south, east=box.east, north=box.north
            ),
        )
        .order_by(Estate.id)
        .limit(limit)
    )
    return [Outline(row.name_en, row.name_zh, shape_of(row.boundary)) for row in rows]


def streets(network: WalkingNetwork | None, box: BoundingBox) -> BaseGeometry | None:
    """Return the streets that begin in a box; None without a network, without streets or with too many."""
    if network is None:
        return None
    lines = network.lines_within(
        west=box.west, south=box.south, east=box.east, north=box.north, limit=MAX_STREETS
    )
    return shapely.MultiLineString(lines) if lines else None


def moved(shape: BaseGeometry, datum: Datum) -> dict[str, Any]:
    """Return a shape as GeoJSON in `datum`."""
    if datum is not Datum.WGS84:

        def shifted(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
            there = [from_wgs84(Position(lat, lon), datum) for lon, lat in pairs.tolist()]
            return np.array([(lon, lat) for lat, lon in there])

        shape = shapely.transform(shape, shifted)
    return dict(mapping(shape))

"""Places that a stranger may name: public devices, and the estates in which there are some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shapely.geometry.base import BaseGeometry
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import visible_to
from aed.database.geometry import shape_of
from aed.errors import NotFound
from aed.lookup.named_places import KnownPlace, place_of_estate
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate

MAX_ESTATES: Final = 100
"""Estates in the form's list; where there are more, people type the name."""


@dataclass(frozen=True, slots=True)
class EstateChoice:
    estate_id: int
    name_en: str
    name_zh: str


@dataclass(frozen=True, slots=True)
class EstateOutline:
    name_en: str
    name_zh: str
    time_zone: str
    boundary: BaseGeometry


def estate_outline(session: Session, viewer: Viewer, estate_id: int) -> EstateOutline:
    """Return an estate's boundary. Raises NotFound unless it has devices that the viewer may see."""
    has_one = select(Device.id).where(Device.estate_id == Estate.id, visible_to(viewer, Device)).exists()
    row = session.execute(
        select(
            Estate.name_en,
            Estate.name_zh,
            func.coalesce(Estate.time_zone, Region.time_zone).label("time_zone"),
            Estate.boundary,
        )
        .join(Region, Region.id == Estate.region_id)
        .where(Estate.id == estate_id, has_one)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such estate.", field="estate_id")
    return EstateOutline(row.name_en, row.name_zh, row.time_zone, shape_of(row.boundary))


def estates_with_devices(session: Session, viewer: Viewer, *, limit: int) -> list[EstateChoice]:
    """Return the estates with devices that the viewer may see, by name."""
    has_one = select(Device.id).where(Device.estate_id == Estate.id, visible_to(viewer, Device)).exists()
    rows = session.execute(
        select(Estate.id, Estate.name_en, Estate.name_zh)
        .where(has_one)
        .order_by(Estate.name_zh, Estate.id)
        .limit(limit)
    )
    return [EstateChoice(row.id, row.name_en, row.name_zh) for row in rows]


def estate_place(session: Session, viewer: Viewer, estate_id: int) -> KnownPlace:
    """Return a point inside an estate. Raises NotFound unless it has devices that the viewer may see."""
    has_one = select(Device.id).where(Device.estate_id == Estate.id, visible_to(viewer, Device)).exists()
    found = session.scalar(select(Estate).where(Estate.id == estate_id, has_one))
    if found is None:
        raise NotFound("There is no such estate.", field="estate")
    return place_of_estate(found)

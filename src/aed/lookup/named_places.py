"""Find a place by its name: estates, and devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.database.geometry import position_of, shape_of
from aed.geo import Position
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate

MAX_FOUND: Final = 8
MIN_CHARACTERS: Final = 2


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A place that a search found."""

    name_en: str
    name_zh: str
    position: Position


def places_named(session: Session, viewer: Viewer, text: str) -> list[KnownPlace]:
    """Return the estates and devices whose names contain the text, estates first.

    A short text, or one with control characters, finds none. An estate is found only if it has devices that
    the viewer may see.
    """
    if len(text) < MIN_CHARACTERS or not text.isprintable():
        return []
    has_one = select(Device.id).where(Device.estate_id == Estate.id, visible_to(viewer, Device)).exists()
    named = or_(*(name.icontains(text, autoescape=True) for name in (Estate.name_zh, Estate.name_en)))
    estates = session.scalars(select(Estate).where(named, has_one).order_by(Estate.id).limit(MAX_FOUND))
    found = [place_of_estate(each) for each in estates]
    placed = or_(*(place.icontains(text, autoescape=True) for place in (Device.place_zh, Device.place_en)))
    devices = session.execute(
        select(Device.place_en, Device.place_zh, Device.position)
        .where(placed, visible_to(viewer, Device))
        .order_by(Device.id)
        .limit(MAX_FOUND - len(found))
    )
    return found + [
        KnownPlace(row.place_en or row.place_zh, row.place_zh or row.place_en, position_of(row.position))
        for row in devices
    ]


def place_of_estate(estate: Estate) -> KnownPlace:
    """Return a point inside an estate, under its name."""
    inside = shape_of(estate.boundary).representative_point()
    return KnownPlace(estate.name_en, estate.name_zh, Position(inside.y, inside.x))

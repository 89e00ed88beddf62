"""Queries for sightings and the registered devices around them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.models import Region
from aed.accounts.tokens import hash_key
from aed.accounts.visibility import visible_to
from aed.database.boxes import inside_box, window_around
from aed.database.geometry import position_of
from aed.errors import NotFound
from aed.geo import Position, distance_metres
from aed.imports.devices.reviews import reviews_of_records
from aed.imports.devices.rules import ReviewKind
from aed.registry.devices.models import Device
from aed.upkeep.models import Sighting
from aed.upkeep.sightings.rules import MAX_SHOWN, NEAR_METRES, SOURCE, SightingState, state_after


def sighting_by_key(session: Session, key: str, *, for_update: bool = False) -> Sighting:
    """Return the sighting with that secret. Raises NotFound.

    visibility: for anyone with the key.
    """
    statement = select(Sighting).where(Sighting.key_hash == hash_key(key))
    found = session.scalar(statement.with_for_update() if for_update else statement)
    if found is None:
        raise NotFound("There is no such report.", field="key")
    return found


def photo_of(session: Session, sighting_id: int) -> bytes:
    """Return the photo of a sighting as JPEG. Raises NotFound.

    visibility: the caller has the key of the sighting, or is an administrator.
    """
    jpeg = session.scalar(select(Sighting.jpeg).where(Sighting.id == sighting_id))
    if jpeg is None:
        raise NotFound("There is no such photo.", field="sighting_id")
    return jpeg


def has_photo(session: Session, sighting_id: int) -> bool:
    """Return whether a sighting has a photo.

    visibility: the caller has the key of the sighting.
    """
    statement = select(Sighting.id).where(Sighting.id == sighting_id, Sighting.jpeg.is_not(None))
    return session.scalar(statement) is not None


def photo_for_review(session: Session, viewer: Viewer, sighting_id: int) -> bytes:
    """Return the photo of a sighting to an administrator. Raises NotSignedIn, NotAllowed, NotFound."""
    require_administrator(viewer)
    return photo_of(session, sighting_id)


def state_of(session: Session, sighting: Sighting) -> SightingState:
    """Return what has come of a sighting."""
    if sighting.sent_at is None:
        return SightingState.DRAFT
    identity = (SOURCE, str(sighting.id))
    reviews = [
        review
        for kind in (ReviewKind.SIGHTING, ReviewKind.DUPLICATE)
        for review in reviews_of_records(session, [identity], kind)
    ]
    decisions = [each.decision for each in reviews]
    return state_after(None if None in decisions or not decisions else decisions[-1])


def count_recent(session: Session, *, since: datetime, from_key: str | None = None) -> int:
    """Return the number of sightings after `since`, drafts included, optionally from one address.

    visibility: returns only a count.
    """
    statement = select(func.count()).select_from(Sighting).where(Sighting.at > since)
    if from_key is not None:
        statement = statement.where(Sighting.from_key == from_key)
    return session.scalar(statement) or 0


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A registered device near a sighting."""

    device_id: int
    place_en: str | None
    place_zh: str | None
    metres: float


def devices_around(session: Session, viewer: Viewer, here: Position) -> list[KnownDevice]:
    """Return the registered devices around a place that the viewer may see, the nearest first."""
    window = window_around(here, NEAR_METRES)
    west, east = max(-180.0, window["nearest_west"]), min(180.0, window["nearest_east"])
    south, north = max(-90.0, window["nearest_south"]), min(90.0, window["nearest_north"])
    rows = session.execute(
        select(Device.id, Device.place_en, Device.place_zh, Device.position)
        .where(
            visible_to(viewer, Device),
            inside_box(session, Device.position, west=west, south=south, east=east, north=north),
        )
        .order_by(Device.id)
        .limit(100)
    )
    found = [
        KnownDevice(row.id, row.place_en, row.place_zh, distance_metres(here, position_of(row.position)))
        for row in rows
    ]
    found.sort(key=lambda each: each.metres)
    return [each for each in found if each.metres <= NEAR_METRES][:MAX_SHOWN]


def region_around(session: Session, here: Position) -> str | None:
    """Return the code of the region of a device nearby; None if there is none within about 50 km.

    visibility: for the review of an administrator.
    """
    for degrees in (0.02, 0.1, 0.5):
        west, east = max(-180.0, here.lon - degrees), min(180.0, here.lon + degrees)
        south, north = max(-90.0, here.lat - degrees), min(90.0, here.lat + degrees)
        code = session.scalar(
            select(Region.code)
            .join(Device, Device.region_id == Region.id)
            .where(inside_box(session, Device.position, west=west, south=south, east=east, north=north))
            .order_by(Device.id)
            .limit(1)
        )
        if code is not None:
            return code
    return None

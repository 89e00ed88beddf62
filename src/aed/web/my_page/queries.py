"""What my page shows beside the queries of other contexts."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.database.geometry import shape_of
from aed.errors import NotSignedIn
from aed.geo import Position, distance_metres
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState

MAX_SHOWN: Final = 20


class EstateChoice(NamedTuple):
    """An estate in a list."""

    id: int
    name_en: str
    name_zh: str


def own_estates(session: Session, viewer: Viewer) -> list[EstateChoice]:
    """Return the estates on which the viewer holds a role.

    visibility: the viewer's own.
    """
    rows = session.execute(
        select(Estate.id, Estate.name_en, Estate.name_zh)
        .where(Estate.id.in_(viewer.own_estate_ids))
        .order_by(Estate.id)
    )
    return [EstateChoice(*row) for row in rows]


def estates_to_choose(session: Session, viewer: Viewer, *, limit: int = 200) -> list[EstateChoice]:
    """Return the viewer's own estates, and those with devices that the viewer may see, by name."""
    has_one = select(Device.id).where(Device.estate_id == Estate.id, visible_to(viewer, Device)).exists()
    rows = session.execute(
        select(Estate.id, Estate.name_en, Estate.name_zh)
        .where(or_(has_one, Estate.id.in_(viewer.own_estate_ids)), Estate.state == EstateState.ACTIVE)
        .order_by(Estate.name_zh, Estate.id)
        .limit(limit)
    )
    return [EstateChoice(*row) for row in rows]


def place_of_estate(session: Session, estate_id: int) -> Position:
    """Return a point inside an estate.

    visibility: of an estate that `estates_to_choose` has returned.
    """
    return _middle(session.get_one(Estate, estate_id))


def region_at(session: Session, here: Position) -> str | None:
    """Return the code of the region of the nearest estate, in which a person at this place is called.

    visibility: only the region's code.
    """
    nearest = min(
        session.scalars(
            select(Estate).where(Estate.state == EstateState.ACTIVE).options(joinedload(Estate.region))
        ),
        key=lambda each: distance_metres(here, _middle(each)),
        default=None,
    )
    return nearest.region.code if nearest is not None else None


def _middle(estate: Estate) -> Position:
    inside = shape_of(estate.boundary).representative_point()
    return Position(inside.y, inside.x)


def person_of(viewer: Viewer) -> int:
    """Return the id of the signed-in person. Raises NotSignedIn."""
    if viewer.person_id is None:
        raise NotSignedIn("Sign in first.")
    return viewer.person_id

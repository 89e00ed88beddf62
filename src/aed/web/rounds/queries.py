"""What the pages of rounds offer to choose: places, starts and inspectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.role_grants import RoleGrant
from aed.database.geometry import position_of, shape_of
from aed.geo import Position
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState
from aed.upkeep.permissions import CHECKS, assigned_places
from aed.walking.network import WalkingNetwork
from aed.web.rounds.route_map import Line, box_around

MAX_PLACES = 500
MAX_STREETS = 3_000


@dataclass(frozen=True, slots=True)
class RoundPlace:
    """An estate or region in which the viewer assigns rounds."""

    value: str
    """`estate-3` or `region-CN-33`, as in the form."""
    name_en: str
    name_zh: str


def places_to_assign(session: Session, viewer: Viewer) -> list[RoundPlace]:
    """Return the estates, then the regions, in which the viewer assigns rounds, by name.

    visibility: by the viewer's roles.
    """
    estates, regions = _assigned_in(viewer)
    found = [
        RoundPlace(f"estate-{id_}", name_en, name_zh)
        for id_, name_en, name_zh in session.execute(
            select(Estate.id, Estate.name_en, Estate.name_zh)
            .where(estates, Estate.state == EstateState.ACTIVE)
            .order_by(Estate.name_zh, Estate.id)
            .limit(MAX_PLACES)
        )
    ]
    found += [
        RoundPlace(f"region-{code}", name_en, name_zh)
        for code, name_en, name_zh in session.execute(
            select(Region.code, Region.name_en, Region.name_zh).where(regions).order_by(Region.code)
        )
    ]
    return found


def _assigned_in(viewer: Viewer) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return predicates for estates and for regions."""
    if viewer.is_administrator:
        return Estate.id > 0, Region.id > 0
    places = assigned_places(viewer)
    in_regions = Estate.region_id.in_((*places.region_ids, *places.managed_region_ids))
    return or_(Estate.id.in_(places.estate_ids), in_regions), Region.id.in_(places.region_ids)


def inspectors(session: Session, *, estate_id: int | None, region_id: int) -> list[tuple[int, str]]:
    """Return the people who may check devices there by a role, id and name, by name.

    visibility: for those who may assign rounds there.
    """
    above: list[int] = []
    region: Region | None = session.get(Region, region_id)
    while region is not None:
        above.append(region.id)
        region = session.get(Region, region.parent_id) if region.parent_id is not None else None
    there: ColumnElement[bool] = RoleGrant.region_id.in_(above)
    if estate_id is not None:
        there = or_(there, RoleGrant.estate_id == estate_id)
    rows = session.execute(
        select(Person.id, Person.name)
        .where(
            Person.erased_at.is_(None),
            select(RoleGrant.id)
            .where(
                RoleGrant.person_id == Person.id,
                RoleGrant.revoked_at.is_(None),
                RoleGrant.role.in_(CHECKS),
                there,
            )
            .exists(),
        )
        .order_by(Person.name, Person.id)
        .limit(MAX_PLACES)
    )
    return [(id_, name) for id_, name in rows]


def starts_of(
    session: Session, viewer: Viewer, estate_id: int
) -> list[tuple[str, dict[str, str | None], Position]]:
    """Return where a round may start: the gates of an estate, or its middle. Value, name and position."""
    found: list[tuple[str, dict[str, str | None], Position]] = [
        (f"gate-{gate.id}", {"en": gate.name_en, "zh": gate.name_zh}, position_of(gate.position))
        for gate in estate_queries.gates(session, viewer, estate_id=estate_id)
    ]
    middle = shape_of(estate_queries.estate(session, viewer, estate_id).boundary).representative_point()
    found.append(("middle", {"en": "", "zh": ""}, Position(middle.y, middle.x)))
    return found


def outline_of(session: Session, viewer: Viewer, estate_id: int | None) -> list[Line]:
    """Return the boundary of an estate as rings; none for a region."""
    if estate_id is None:
        return []
    shape = shape_of(estate_queries.estate(session, viewer, estate_id).boundary)
    return [list(each.exterior.coords) for each in getattr(shape, "geoms", [shape])]


def streets_around(network: WalkingNetwork | None, places: Sequence[Position]) -> list[Line]:
    """Return the streets of the map around these places."""
    if network is None:
        return []
    west, south, east, north = box_around(places)
    lines = network.lines_within(west=west, south=south, east=east, north=north, limit=MAX_STREETS)
    return [line.tolist() for line in lines]
